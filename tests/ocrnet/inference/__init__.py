"""Tests of the package ocrnet.inference."""
