"""Random holes in training images, like those that the stage `synthesize` paints.

A hole is around one to three objects of the window, with their rims. A part of the holes is moved to another place, so
that the generator also learns to paint what is behind an object that a layout removes.
"""

import cv2
import numpy as np
from jaxtyping import Bool, Int64, UInt8

from ocrnet.gan.generator.holes import RIM, with_rim
from ocrnet.gan.generator.styles import NO_CLASS, find_components

MOST_OBJECTS = 3
LEAST_AREA = 4  # pixels of the smallest component that counts as an object
MOST_SHARE = 0.25  # share of the window from which on a component is its ground
MOVED = 0.25  # share of the holes that are moved


def draw_hole(
    label_map: UInt8[np.ndarray, "H W"], *, num_classes: int, rng: np.random.Generator
) -> Bool[np.ndarray, "H W"]:
    """Draw the hole of a window: around objects or, where it shows none, an ellipse anywhere.

    Args:
        label_map: Class ids of the window.
        num_classes: Number of classes, without the ignored id.
        rng: Random generator of the hole.
    """
    numbers, objects = _objects(label_map, num_classes)
    if len(objects) == 0:
        region = _ellipse(label_map.shape, rng)
    else:
        count = int(rng.integers(1, min(MOST_OBJECTS, len(objects)) + 1))
        region = np.isin(numbers, rng.choice(objects, count, replace=False))
        if rng.random() < MOVED:
            shift = [int(rng.integers(side)) for side in label_map.shape]
            region = np.roll(region, shift, axis=(0, 1))
    return with_rim(region, int(rng.integers(1, 2 * RIM)))


def _objects(
    label_map: UInt8[np.ndarray, "H W"], num_classes: int
) -> tuple[Int64[np.ndarray, "H W"], Int64[np.ndarray, " N"]]:
    """Return the number of each pixel's component, and the numbers of the components that may be objects."""
    numbers, components = find_components(label_map, num_classes=num_classes)
    areas = np.bincount(numbers.ravel(), minlength=len(components))
    known = np.array([component.class_id != NO_CLASS for component in components])
    small = (areas >= LEAST_AREA) & (areas < MOST_SHARE * label_map.size)
    return numbers, np.flatnonzero(known & small)


def _ellipse(shape: tuple[int, ...], rng: np.random.Generator) -> Bool[np.ndarray, "H W"]:
    region = np.zeros(shape, dtype=np.uint8)
    height, width = shape
    centre = int(rng.integers(width)), int(rng.integers(height))
    axes = tuple(max(1, int(rng.integers(side // 12, side // 4 + 1))) for side in (width, height))
    cv2.ellipse(region, centre, axes, 0.0, 0.0, 360.0, 1, thickness=-1)
    return np.asarray(region > 0)
