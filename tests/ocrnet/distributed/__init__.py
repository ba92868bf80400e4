"""Tests of the package ocrnet.distributed."""
