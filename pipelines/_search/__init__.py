"""The search for better params: Optuna proposes, DVC runs the stages up to `train`, and validation scores decide."""
