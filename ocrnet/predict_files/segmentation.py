"""A label map with the confidence of each pixel, and what it says about each class."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from ocrnet.data.manifest import ClassTable


@dataclass(frozen=True)
class Segmentation:
    """The prediction of an image.

    Args:
        label_map: Class id of each pixel.
        confidence: Probability of that class, in [0, 1].
    """

    label_map: UInt8[np.ndarray, "H W"]
    confidence: Float[np.ndarray, "H W"]

    @property
    def mean_confidence(self) -> float:
        """Mean over all pixels, in [0, 1]."""
        return float(self.confidence.mean(dtype=np.float64))


@dataclass(frozen=True)
class ClassArea:
    """A class in a label map.

    Args:
        name: Name of the class.
        pixels: Number of its pixels.
        share: Share of the image, in [0, 1].
        confidence: Mean confidence of its pixels, in [0, 1]; None without pixels.
    """

    name: str
    pixels: int
    share: float
    confidence: float | None


def class_areas(found: Segmentation, classes: ClassTable) -> list[ClassArea]:
    """Return the area of every class, in the order of the class ids."""
    ids = found.label_map.ravel()
    pixels = np.bincount(ids, minlength=256)
    sums = np.bincount(ids, weights=found.confidence.ravel(), minlength=256)
    return [
        ClassArea(
            name,
            pixels=int(pixels[index]),
            share=float(pixels[index] / ids.size),
            confidence=float(sums[index] / pixels[index]) if pixels[index] else None,
        )
        for index, name in enumerate(classes.class_names)
    ]
