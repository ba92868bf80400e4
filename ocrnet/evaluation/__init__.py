"""Scores of trained models, intervals, and the comparison of the arms of a study."""
