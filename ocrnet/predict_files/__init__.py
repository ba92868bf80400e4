"""Prediction of many files: what to read, how large images are cut, what is written, what is done already."""
