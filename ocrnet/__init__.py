"""OCRNet (object-contextual representations): segmentation models from a few hundred labelled images.

This package is the library: data, models, losses and scores. It imports no MLOps tool; `pipelines` runs it as stages.
Nothing is imported here, so that a light stage does not pay for torch: `ocrnet.load` is imported when it is used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ocrnet.predict_files.predictor import load

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    """Return `load`, from which a program predicts: `ocrnet.load("champion").predict("part.png")`."""
    if name != "load":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return import_module("ocrnet.predict_files.predictor").load
