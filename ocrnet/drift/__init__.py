"""Drift: whether new images are like those that a model was trained on, one by one and as a whole."""
