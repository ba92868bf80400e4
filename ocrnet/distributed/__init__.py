"""Trainings with several processes: their start, and the values that they sum and share."""
