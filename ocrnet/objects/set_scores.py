"""PQ and AP50 of a whole set: means over the thing classes that the truth shows."""

import numpy as np
from jaxtyping import Bool, Float, Num

from ocrnet.objects.curves import UnitCounts, average_precision, panoptic_quality

OBJECT_SCORES = ("pq", "ap50")


def set_scores(counts: UnitCounts, weights: Num[np.ndarray, "R U"]) -> Float[np.ndarray, "R 2"]:
    """Return PQ and AP50 per resample, means over the thing classes that the resample shows; nan if it shows none.

    Args:
        counts: Matchings of a set.
        weights: How often each image counts in each resample.
    """
    shown = weights @ counts.true > 0
    scores = (panoptic_quality(counts, weights), average_precision(counts, weights))
    return np.column_stack([_mean(one, shown) for one in scores])


def _mean(
    values: Float[np.ndarray, "R T"], shown: Bool[np.ndarray, "R T"]
) -> Float[np.ndarray, " R"]:
    count = shown.sum(axis=1)
    total = np.where(shown, values, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
