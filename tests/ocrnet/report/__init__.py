"""Tests of the package ocrnet.report."""
