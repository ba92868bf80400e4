"""Trainings by several processes: how they are started, and what they sum and share."""
