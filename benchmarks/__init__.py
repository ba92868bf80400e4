"""Measurements: each module prints a table of ratios."""
