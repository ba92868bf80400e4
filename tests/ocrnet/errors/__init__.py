"""Tests of the package ocrnet.errors."""
