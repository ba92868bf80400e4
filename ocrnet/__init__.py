"""OCRNet: object-contextual representations, from a few labelled images to a model to trust.

This package knows things (data, models, losses, scores) and imports no MLOps tool; `pipelines` runs them as stages.
Nothing is imported here, so that a light stage does not pay for torch.
"""
