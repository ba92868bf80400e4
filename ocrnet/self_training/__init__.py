"""Pseudo-labels fixed before a training: thresholds from validation images, and pairs with unlabelled images."""
