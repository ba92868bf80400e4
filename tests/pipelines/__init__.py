"""Tests of the stages, with the real DVC, MLflow and Great Expectations."""
