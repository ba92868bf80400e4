"""Tests of the package ocrnet.predict_files."""
