"""Checks of raw data: findings by Great Expectations, and a trial run of what the params name."""
