"""Tests of the package ocrnet.prediction."""
