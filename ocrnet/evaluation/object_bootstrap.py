"""PQ and AP50 with the paired bootstrap of the mIoU.

Images (or groups of them) are resampled, and both arms are scored on the same ones. Each resample gives one score of a
whole set, the mean over the thing classes that the truth shows. `bootstrap.py` and `intervals.py` define the rest:
fewest units, swap test, spread of seeds.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Num

from ocrnet.config import EvaluateParams
from ocrnet.evaluation.intervals import (
    add_spread_of_seeds,
    bootstrap_ends,
    draw_swaps,
    hold_zero_unless_swaps_deny_it,
    least_units,
)
from ocrnet.objects.curves import UnitCounts, join
from ocrnet.objects.set_scores import OBJECT_SCORES, set_scores

Ends = dict[str, float]  # value, low and high


def compare_counts(
    candidate: Sequence[UnitCounts], reference: Sequence[UnitCounts], params: EvaluateParams
) -> dict[str, Ends]:
    """Compare the objects of two arms, given the same seeds in the same order.

    Returns:
        Difference of PQ and of AP50 with both ends of the interval; nan with too few units, or without true objects.
    """
    units = len(candidate[0].true)
    ones = np.ones((1, units))
    by_seed = np.stack([
        set_scores(one, ones)[0] - set_scores(other, ones)[0]
        for one, other in zip(candidate, reference, strict=True)
    ])  # fmt: skip
    value = by_seed.mean(axis=0)
    ends = np.full(len(OBJECT_SCORES), np.nan), np.full(len(OBJECT_SCORES), np.nan)
    if units >= least_units(params.confidence) and not np.isnan(value).any():
        rng = np.random.default_rng(params.seed)
        drawn = rng.multinomial(units, np.full(units, 1 / units), size=params.bootstrap)
        resampled = _mean_scores(candidate, drawn) - _mean_scores(reference, drawn)
        holders = np.full(len(OBJECT_SCORES), units)
        ends = bootstrap_ends(resampled, holders, confidence=params.confidence)
        swaps = draw_swaps(units, draws=params.bootstrap, rng=rng)
        pairs = [join(one, other) for one, other in zip(candidate, reference, strict=True)]
        swapped = _mean_scores(pairs, np.hstack([1 - swaps, swaps]))
        swapped -= _mean_scores(pairs, np.hstack([swaps, 1 - swaps]))
        ends = hold_zero_unless_swaps_deny_it(ends, swapped, confidence=params.confidence)
        if len(by_seed) > 1:
            ends = add_spread_of_seeds(ends, value, by_seed, confidence=params.confidence)
    return {
        name: {"value": float(value[i]), "low": float(ends[0][i]), "high": float(ends[1][i])}
        for i, name in enumerate(OBJECT_SCORES)
    }


def estimate_counts(
    counts: UnitCounts, *, resamples: int, confidence: float, seed: int
) -> dict[str, Ends]:
    """Return PQ and AP50 of one model with both ends of their intervals; see `compare_counts`."""
    units = len(counts.true)
    value = set_scores(counts, np.ones((1, units)))[0]
    ends = np.full(len(OBJECT_SCORES), np.nan), np.full(len(OBJECT_SCORES), np.nan)
    if units >= least_units(confidence) and not np.isnan(value).any():
        rng = np.random.default_rng(seed)
        drawn = rng.multinomial(units, np.full(units, 1 / units), size=resamples)
        holders = np.full(len(OBJECT_SCORES), units)
        ends = bootstrap_ends(set_scores(counts, drawn), holders, confidence=confidence)
    return {
        name: {"value": float(value[i]), "low": float(ends[0][i]), "high": float(ends[1][i])}
        for i, name in enumerate(OBJECT_SCORES)
    }


def object_scores(arm: Sequence[UnitCounts]) -> dict[str, float]:
    """Return PQ and AP50 of an arm, means over its seeds; nan without true objects."""
    ones = np.ones((1, len(arm[0].true)))
    values = _mean_scores(arm, ones)[0]
    return {name: float(value) for name, value in zip(OBJECT_SCORES, values, strict=True)}


def _mean_scores(
    arm: Sequence[UnitCounts], weights: Num[np.ndarray, "R U"]
) -> Float[np.ndarray, "R 2"]:
    return np.asarray(np.mean([set_scores(one, weights) for one in arm], axis=0))
