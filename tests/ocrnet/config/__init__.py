"""Tests of the package ocrnet.config."""
