"""Tests of the package ocrnet.training."""
