"""Tests of the package ocrnet.gan.quality."""
