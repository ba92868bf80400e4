"""Tests of the package ocrnet.gan.editing."""
