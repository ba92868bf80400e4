"""OCRNet (object-contextual representations): segmentation models from a few hundred labelled images.

This package is the library: data, models, losses and scores. It imports no MLOps tool; `pipelines` runs it as stages.
Nothing is imported here, so that a light stage does not pay for torch.
"""
