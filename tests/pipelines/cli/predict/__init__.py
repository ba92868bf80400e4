"""Tests of `ocrnet predict`."""
