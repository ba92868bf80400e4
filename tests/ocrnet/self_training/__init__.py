"""Tests of the package ocrnet.self_training."""
