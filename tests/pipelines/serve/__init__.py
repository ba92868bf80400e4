"""Tests of `ocrnet serve`."""
