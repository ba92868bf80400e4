"""Tests of the package ocrnet.raw.sources."""
