"""Tests of the package ocrnet.losses."""
