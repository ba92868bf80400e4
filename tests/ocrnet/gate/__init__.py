"""Tests of the package ocrnet.gate."""
