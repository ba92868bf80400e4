"""Tests of the search for better params."""
