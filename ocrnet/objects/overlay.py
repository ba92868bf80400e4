"""A picture of the objects of an image, with a colour for each."""

import numpy as np
from jaxtyping import Integer, UInt8
from scipy import ndimage

GOLDEN = 0.61803398875  # of a turn: hues of neighbouring numbers are far apart


def overlay_objects(
    image: UInt8[np.ndarray, "H W 3"], numbers: Integer[np.ndarray, "H W"]
) -> UInt8[np.ndarray, "H W 3"]:
    """Return an image (H, W, 3) with each object of a map (H, W) in a colour of its own, outlined."""
    hues = (np.arange(int(numbers.max()) + 1) * GOLDEN) % 1.0
    parts = np.abs((hues[:, None] * 6 + np.array([0, 4, 2])) % 6 - 3) - 1
    colours = (np.clip(parts, 0, 1) * 200 + 55).astype(np.uint8)
    own = colours[numbers]
    inside = numbers > 0
    edge = inside & (
        ndimage.grey_erosion(numbers, size=(3, 3)) != ndimage.grey_dilation(numbers, size=(3, 3))
    )
    shown = image.copy()
    shown[inside] = (image[inside].astype(np.uint16) + own[inside]) // 2
    shown[edge] = own[edge]
    return shown
