"""Checks before any training: names, networks, sizes, and the needs of later stages."""
