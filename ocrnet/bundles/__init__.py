"""Bundles: a trained segmenter as files, a card and weights, both read as untrusted data."""
