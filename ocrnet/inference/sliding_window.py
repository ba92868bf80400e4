"""The sliding window: an image is scored window by window, and overlapping windows are merged.

By default all pixels of a window count alike. With Gaussian weights a pixel counts less the nearer it is to the border
of its window, where the network sees less around it, as in nnU-Net (arXiv:1904.08128). The
standard deviation is an eighth of the side of the window.
"""

from collections.abc import Callable
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from ocrnet.inference.view_merging import Merger

UNIFORM, GAUSSIAN = "uniform", "gaussian"
WINDOW_WEIGHTS = (UNIFORM, GAUSSIAN)  # values of `evaluate.window_weights`
DEVIATION = 1 / 8  # of the Gaussian, as a share of the side of the window
LEAST_WEIGHT = 1e-3  # smaller ones would leave a corner that one window covers to rounding


def slide_window(
    view: Callable[[Float[Tensor, "B 3 h w"]], Float[Tensor, "B K h w"]],
    image: Float[Tensor, "B 3 H W"],
    window: tuple[int, int],
    *,
    overlap: float,
    merger: Merger,
    weights: str = UNIFORM,
) -> Float[Tensor, "B K H W"]:
    """Return the scores of an image, merged over the windows that cover each pixel.

    Args:
        view: Function that scores one window, in the units of `merger`.
        image: Normalised image of any size.
        window: Height and width of the window, in pixels.
        overlap: Share of a window that the next window covers again, in [0, 1).
        merger: Merger of the scores.
        weights: One of `WINDOW_WEIGHTS`.
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
                count = no_views(shape[-2:], weights, device=scores.device)
            scores, views = weigh(scores, window, weights, merger)
            total[place] = merger.add(total[place], scores)
            count[place] += views
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


def no_views(shape: tuple[int, ...] | torch.Size, weights: str, *, device: torch.device) -> Tensor:
    """Return the count of the views of each pixel before the first one: numbers, or sums of weights."""
    dtype = torch.int64 if weights == UNIFORM else torch.float64
    return torch.zeros(shape, dtype=dtype, device=device)


def weigh(
    scores: Float[Tensor, "B K h w"], window: tuple[int, int], weights: str, merger: Merger
) -> tuple[Float[Tensor, "B K h w"], int | Float[Tensor, "h w"]]:
    """Return the scores of a window as they count, and how much each pixel counts.

    Args:
        scores: Scores of the window, in the units of `merger`; a window at the border may be cut off.
        window: Height and width of a whole window, in pixels.
        weights: One of `WINDOW_WEIGHTS`.
        merger: Merger of the scores.
    """
    if weights == UNIFORM:
        return scores, 1
    found = gaussian_weights(window).to(scores.device)[: scores.shape[-2], : scores.shape[-1]]
    return merger.weigh(scores, found), found


@lru_cache(maxsize=8)
def gaussian_weights(window: tuple[int, int]) -> Float[Tensor, "h w"]:
    """Return the weight of each pixel of a window, in [LEAST_WEIGHT, 1]: the largest in the middle.

    Examples:
        >>> [round(weight, 3) for weight in gaussian_weights((1, 3)).squeeze(0).tolist()]
        [0.029, 1.0, 0.029]
    """
    sides = []
    for side in window:
        distances = (torch.arange(side, dtype=torch.float64) - (side - 1) / 2) / (DEVIATION * side)
        sides.append((-distances.square() / 2).exp())
    product = sides[0].unsqueeze(1) * sides[1].unsqueeze(0)
    return (product / product.max()).clamp(min=LEAST_WEIGHT)
