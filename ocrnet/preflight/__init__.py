"""Checks before anything is trained: names, networks, sizes, and the needs of later stages."""
