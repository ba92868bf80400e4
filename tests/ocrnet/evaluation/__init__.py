"""Tests of the package ocrnet.evaluation."""
