"""Prediction of an image from top to bottom: only the scores of the rows that one row of windows covers are kept.

The windows, their order and their merging are those of `ocrnet.inference.sliding_window`, so that the label maps are
equal to the bit. The scores need K x (height of the window) x (width of the image) x 8 bytes, and `overlap` times that
again between two rows of windows.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ocrnet.inference.predict import Segmenter, labels
from ocrnet.inference.sliding_window import no_views, weigh, window_starts

ROWS_AT_ONCE = 64  # of scores that become labels


class Band(NamedTuple):
    """Some rows of an image and their label map."""

    image: UInt8[np.ndarray, "h W 3"]
    label_map: UInt8[np.ndarray, "h W"]


@runtime_checkable
class Rows(Protocol):
    """An RGB image that is read by rows."""

    height: int
    width: int

    def read(self, top: int, bottom: int) -> UInt8[np.ndarray, "h W 3"]:
        """Return the rows from `top` to before `bottom`."""
        ...


class ArrayRows:
    """The rows of an image in memory."""

    def __init__(self, image: UInt8[np.ndarray, "H W 3"]) -> None:
        self.height, self.width = image.shape[:2]
        self._image = image

    def read(self, top: int, bottom: int) -> UInt8[np.ndarray, "h W 3"]:
        """Return the rows from `top` to before `bottom`."""
        return self._image[top:bottom]


def band_fault(segmenter: Segmenter) -> str | None:
    """Return why a segmenter cannot predict by bands, with the cure; None if it can."""
    if segmenter.protocol.window is None:
        return "Give --window H W, so that it is predicted by windows"
    if segmenter.protocol.scales != (1.0,):
        return "Leave --scales out: an image that is read in parts is not scaled"
    if segmenter.decoding.resize is not None:
        height, width = segmenter.decoding.resize
        return f"The model was trained on images of {height} x {width} pixels (prepare.resize): shrink it first"
    return None


def slide_bands(segmenter: Segmenter, rows: Rows) -> Iterator[Band]:
    """Predict an image by windows, and return each band as soon as no further window covers it.

    Args:
        segmenter: Segmenter without a `band_fault`.
        rows: Image of any size.
    """
    protocol = segmenter.protocol
    assert protocol.window is not None
    sums = BandSums(segmenter, min(protocol.window[0], rows.height), rows.width)
    tops = window_starts(rows.height, protocol.window[0], protocol.overlap)
    for top, after in zip(tops, [*tops[1:], rows.height], strict=True):
        image = rows.read(top, min(top + protocol.window[0], rows.height))
        for left in window_starts(rows.width, protocol.window[1], protocol.overlap):
            sums.add(left, image[:, left : left + protocol.window[1]])
        yield Band(image[: after - top], sums.take(after - top))


class BandSums:
    """The merged scores of the rows that the present row of windows covers.

    Args:
        segmenter: Segmenter of the windows.
        height: Number of rows that are kept.
        width: Width of the image, in pixels.
    """

    def __init__(self, segmenter: Segmenter, height: int, width: int) -> None:
        self._segmenter = segmenter
        protocol = segmenter.protocol
        assert protocol.window is not None
        self._merger, self._window, self._weights = (
            protocol.merger, protocol.window, protocol.window_weights
        )  # fmt: skip
        self._height, self._width = height, width
        self._total: Float[Tensor, "1 K h W"] | None = None
        self._count: Tensor | None = None  # numbers of views, or sums of their weights

    @torch.inference_mode()
    def add(self, left: int, window: UInt8[np.ndarray, "h w 3"]) -> None:
        """Add the scores of a window whose first column is `left`."""
        scores = self._segmenter.window_scores(window)
        if self._total is None or self._count is None:
            shape = (1, scores.shape[1], self._height, self._width)
            self._total = scores.new_full(shape, self._merger.nothing, dtype=torch.float64)
            self._count = no_views(shape[-2:], self._weights, device=scores.device)
        place = (..., slice(left, left + window.shape[1]))
        scores, views = weigh(scores, self._window, self._weights, self._merger)
        self._total[place] = self._merger.add(self._total[place], scores)
        self._count[place] += views

    @torch.inference_mode()
    def take(self, rows: int) -> UInt8[np.ndarray, "h W"]:
        """Return the labels of the first rows, and move the rows after them to the top."""
        assert self._total is not None
        assert self._count is not None
        total, count = self._total, self._count
        parts = []
        for top in range(0, rows, ROWS_AT_ONCE):
            place = (..., slice(top, min(top + ROWS_AT_ONCE, rows)), slice(None))
            scores = self._merger.share(total[place], count[place])
            size = (scores.shape[-2], scores.shape[-1])
            # Of one size, it only rounds the scores, as it does those of a whole image.
            parts.append(labels(self._merger.resize(scores, size, align_corners=False)))
        kept = self._height - rows
        total[..., :kept, :] = total[..., rows:, :].clone()
        total[..., kept:, :] = self._merger.nothing
        count[:kept] = count[rows:].clone()
        count[kept:] = 0
        return np.concatenate(parts)
