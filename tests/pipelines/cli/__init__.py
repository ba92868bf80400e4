"""Tests of the command line `ocrnet`."""
