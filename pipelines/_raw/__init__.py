"""Checks of raw data: findings by Great Expectations, and a trial of what the params name."""
