"""Maps of the weight of each pixel of a pair in the loss: gray PNGs, 0 for ignored pixels, 255 for the weight 1."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from ocrnet.data.decode import read_raw_label_map

PIXEL_WEIGHTS = "pixel_weights"  # folder of the maps, and their column in the manifest
FULL_WEIGHT = 255


def write_pixel_weights(path: Path, weights: UInt8[np.ndarray, "H W"]) -> None:
    """Write a map of weights."""
    Image.fromarray(weights).save(path, format="PNG")


def read_pixel_weights(path: Path) -> UInt8[np.ndarray, "H W"]:
    """Read a map that `write_pixel_weights` wrote.

    Raises:
        DataError: The file cannot be read whole.
    """
    return read_raw_label_map(path).astype(np.uint8)
