"""Class weights for unbalanced classes."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
EFFECTIVE_BETA = 0.999999  # beta for pixel counts; arXiv:1901.05555, Eq. 3


def class_weights(
    scheme: str, pixel_counts: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32] | None:
    """Return one weight per class with mean 1 over the classes present, or None for `none`.

    A class without pixels gets 1. The schemes, before the weights are scaled to mean 1:

    | scheme | weight of a class |
    |---|---|
    | `inverse` | 1 / f; f is its share of all valid pixels |
    | `inverse_sqrt` | 1 / sqrt(f) |
    | `median` | median(g) / g; g is its share of the valid pixels of images that show it (arXiv:1411.4734) |
    | `effective` | (1 - beta) / (1 - beta^n); n is its number of pixels (arXiv:1901.05555) |

    The scaling to mean 1 cancels the median. With `median`, a class that is rare because few images show it has a
    lower weight than a class that is small in every image.

    Args:
        scheme: `none` or a name in `SCHEMES`.
        pixel_counts: Pixels per image and class; a single row counts all images as one image.

    Raises:
        ValueError: The scheme is unknown.
    """
    if scheme == "none":
        return None
    if scheme not in SCHEMES:
        raise ValueError(
            f"train.class_weights {scheme!r} is unknown. Known: none, {', '.join(SCHEMES)}."
        )
    counts = np.atleast_2d(pixel_counts).astype(np.float64)
    present = counts.sum(axis=0) > 0
    weights = np.ones(counts.shape[1], dtype=np.float32)
    if present.any():
        raw = SCHEMES[scheme](counts[:, present])
        weights[present] = raw / raw.mean()
    return weights


def _inverse(counts: Floats) -> Floats:
    return np.asarray(counts.sum() / counts.sum(axis=0))


def _inverse_sqrt(counts: Floats) -> Floats:
    return np.sqrt(_inverse(counts))


def _median(counts: Floats) -> Floats:
    shown = (counts > 0) * counts.sum(axis=1, keepdims=True)
    share = counts.sum(axis=0) / shown.sum(axis=0)
    return np.asarray(np.median(share) / share)


def _effective(counts: Floats) -> Floats:
    return np.asarray((1 - EFFECTIVE_BETA) / (1 - EFFECTIVE_BETA ** counts.sum(axis=0)))


SCHEMES: dict[str, Callable[[Floats], Floats]] = {
    "inverse": _inverse,
    "inverse_sqrt": _inverse_sqrt,
    "median": _median,
    "effective": _effective,
}
