"""The sliding window: an image is scored window by window, and overlapping windows are merged."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ocrnet.inference.view_merging import Merger


def slide_window(
    view: Callable[[Float[Tensor, "B 3 h w"]], Float[Tensor, "B K h w"]],
    image: Float[Tensor, "B 3 H W"],
    window: tuple[int, int],
    *,
    overlap: float,
    merger: Merger,
) -> Float[Tensor, "B K H W"]:
    """Return the scores of an image, merged over the windows that cover each pixel.

    Args:
        view: Function that scores one window, in the units of `merger`.
        image: Normalised image of any size.
        window: Height and width of the window, in pixels.
        overlap: Share of a window that the next window covers again, in [0, 1).
        merger: Merger of the scores.
    """
    height, width = window
    total = count = None
    for top in window_starts(image.shape[-2], height, overlap):
        for left in window_starts(image.shape[-1], width, overlap):
            place = (..., slice(top, top + height), slice(left, left + width))
            scores = view(image[place])
            if total is None or count is None:
                shape = (*scores.shape[:2], *image.shape[-2:])
                total = scores.new_full(shape, merger.nothing, dtype=torch.float64)
                count = torch.zeros(shape[-2:], dtype=torch.int64, device=scores.device)
            total[place] = merger.add(total[place], scores)
            count[place] += 1
    assert total is not None
    assert count is not None
    return merger.share(total, count)


def window_starts(size: int, window: int, overlap: float) -> list[int]:
    """Return the starts of windows along one side: a stride apart, with the last window at the border.

    Examples:
        >>> window_starts(10, 4, 0.5)
        [0, 2, 4, 6]
        >>> window_starts(11, 4, 0.0)
        [0, 4, 7]
    """
    stride = max(1, round(window * (1 - overlap)))
    last = max(0, size - window)
    return [*range(0, last, stride), last]
