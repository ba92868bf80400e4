"""Tests of the package ocrnet.models."""
