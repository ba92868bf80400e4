"""Joining of images of any shape into one sheet.

The images of a set differ in shape: portrait and landscape, by a pixel, or a strip of one pixel by thousands. Tiles
are fitted into a box, and joined images are padded with white.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]
WHITE = 255


def fitted(shape: Sequence[int], box: tuple[int, int], *, enlarge: bool = True) -> tuple[int, int]:
    """Return the largest (height, width) of an image in a box with the same aspect ratio, at least one pixel each.

    Args:
        shape: Height and width of the image, in pixels; further entries are ignored.
        box: Largest height and width, in pixels.
        enlarge: Whether an image that is smaller than the box is enlarged.
    """
    scale = min(box[0] / shape[0], box[1] / shape[1])
    if not enlarge:
        scale = min(scale, 1.0)
    return max(round(shape[0] * scale), 1), max(round(shape[1] * scale), 1)


def fit_tile(
    pixels: Pixels, box: tuple[int, int], resampling: Image.Resampling = Image.Resampling.NEAREST
) -> Pixels:
    """Return an RGB image resized into a box: as wide as the box; a tall image is padded with white.

    Args:
        pixels: Image (H, W, 3).
        box: Largest height and exact width of the tile, in pixels.
        resampling: Filter of Pillow.
    """
    height, width = fitted(pixels.shape, box)
    tile = np.asarray(Image.fromarray(pixels).resize((width, height), resampling))
    return _padded(tile, height, box[1])


def beside(pictures: Sequence[Pixels], *, gap: int = 0) -> Pixels:
    """Join images left to right, with aligned tops and `gap` white pixels after each; shorter images are padded."""
    height = max(picture.shape[0] for picture in pictures)
    padded = [_padded(picture, height, picture.shape[1] + gap) for picture in pictures]
    return np.concatenate(padded, axis=1)


def under(pictures: Sequence[Pixels], *, gap: int = 0) -> Pixels:
    """Join images top to bottom, left-aligned, with `gap` white pixels after each; narrow images are padded."""
    width = max(picture.shape[1] for picture in pictures)
    padded = [_padded(picture, picture.shape[0] + gap, width) for picture in pictures]
    return np.concatenate(padded, axis=0)


def _padded(picture: Pixels, height: int, width: int) -> Pixels:
    below, right = height - picture.shape[0], width - picture.shape[1]
    return np.pad(picture, ((0, below), (0, right), (0, 0)), constant_values=WHITE)
