"""Joining pictures of any shapes into one sheet.

The images of a set differ in shape: portrait and landscape, by a pixel, or a strip of one pixel by thousands. Every
sheet is assembled here: tiles fit into a box, and joined pictures are padded with white.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]
WHITE = 255


def fitted(shape: Sequence[int], box: tuple[int, int], *, enlarge: bool = True) -> tuple[int, int]:
    """Return the (height, width), at least one pixel each, at which a picture fills a box as far as its shape allows.

    Args:
        shape: Height and width of the picture, in pixels; further entries do not matter.
        box: Largest height and width, in pixels.
        enlarge: Whether a picture that is smaller than the box grows to it.
    """
    scale = min(box[0] / shape[0], box[1] / shape[1])
    if not enlarge:
        scale = min(scale, 1.0)
    return max(round(shape[0] * scale), 1), max(round(shape[1] * scale), 1)


def fit_tile(
    pixels: Pixels, box: tuple[int, int], resampling: Image.Resampling = Image.Resampling.NEAREST
) -> Pixels:
    """Return an RGB picture resized into a box: as wide as the box, padded with white where it is too tall for that.

    Args:
        pixels: Picture (H, W, 3).
        box: Height that the tile never exceeds, and its width, in pixels.
        resampling: Filter of Pillow.
    """
    height, width = fitted(pixels.shape, box)
    tile = np.asarray(Image.fromarray(pixels).resize((width, height), resampling))
    return _padded(tile, height, box[1])


def beside(pictures: Sequence[Pixels], *, gap: int = 0) -> Pixels:
    """Join pictures left to right, tops aligned, each followed by `gap` white pixels; the lower ones are padded."""
    height = max(picture.shape[0] for picture in pictures)
    padded = [_padded(picture, height, picture.shape[1] + gap) for picture in pictures]
    return np.concatenate(padded, axis=1)


def under(pictures: Sequence[Pixels], *, gap: int = 0) -> Pixels:
    """Join pictures top to bottom, left sides aligned, each followed by `gap` white pixels; narrow ones are padded."""
    width = max(picture.shape[1] for picture in pictures)
    padded = [_padded(picture, picture.shape[0] + gap, width) for picture in pictures]
    return np.concatenate(padded, axis=0)


def _padded(picture: Pixels, height: int, width: int) -> Pixels:
    below, right = height - picture.shape[0], width - picture.shape[1]
    return np.pad(picture, ((0, below), (0, right), (0, 0)), constant_values=WHITE)
