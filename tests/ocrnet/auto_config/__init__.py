"""Tests of the sets that configure themselves."""
