"""Tests of the package ocrnet.bundles."""
