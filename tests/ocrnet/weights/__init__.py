"""Tests of the package ocrnet.weights."""
