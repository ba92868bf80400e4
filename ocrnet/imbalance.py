"""Class weights for unbalanced classes."""

import numpy as np
import numpy.typing as npt

EFFECTIVE_BETA = 0.999999  # of a pixel count; arXiv:1901.05555, Eq. 3


def class_weights(
    scheme: str, pixel_counts: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32] | None:
    """Return one weight per class with mean 1 over the classes present, or None for `none`.

    `inverse` is 1/sqrt(frequency), `median` the median frequency over the frequency, `effective` the inverse
    effective number of pixels (1 - beta) / (1 - beta^n). A class without pixels gets 1.

    Raises:
        ValueError: the scheme is unknown.
    """
    if scheme == "none":
        return None
    present = pixel_counts > 0
    frequency = pixel_counts[present] / pixel_counts.sum()
    if scheme == "inverse":
        raw = 1 / np.sqrt(frequency)
    elif scheme == "median":
        raw = np.median(frequency) / frequency
    elif scheme == "effective":
        raw = (1 - EFFECTIVE_BETA) / (1 - EFFECTIVE_BETA ** pixel_counts[present])
    else:
        raise ValueError(
            f"train.class_weights {scheme!r} is unknown. Known: none, inverse, median, effective."
        )
    weights = np.ones(len(pixel_counts), dtype=np.float32)
    weights[present] = raw / raw.mean()
    return weights
