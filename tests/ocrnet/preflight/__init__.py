"""Tests of the package ocrnet.preflight."""
