"""The comparison of arms by their objects: PQ and AP50, with the paired bootstrap of the mIoU.

Images (or groups of them) are resampled, and both arms are scored on the same ones. Each resample gives one score of a
whole set, the mean over the thing classes that the truth shows. `bootstrap.py` and `intervals.py` define the rest:
fewest units, swap test, spread of seeds. The verdict is about mIoU; these intervals are shown beside it.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Num

from ocrnet.config import EvaluateParams
from ocrnet.config.arms import BASELINE
from ocrnet.evaluation.arm_comparison import StudyResult
from ocrnet.evaluation.bootstrap import resampling_units
from ocrnet.evaluation.intervals import (
    add_spread_of_seeds,
    bootstrap_ends,
    draw_swaps,
    hold_zero_unless_swaps_deny_it,
    least_units,
)
from ocrnet.evaluation.scored_split import TestSplit
from ocrnet.evaluation.scoring import ModelScores
from ocrnet.objects.curves import (
    UnitCounts,
    average_precision,
    join,
    panoptic_quality,
    unit_counts,
)

NAMES = ("pq", "ap50")
Ends = dict[str, float]  # value, low and high
# By kind of comparison and arm: the interval of the difference of each score, and unit and number of units.
ObjectComparisons = dict[str, dict[str, dict[str, Ends]]]


def compare_objects_of_arms(
    scores: Sequence[ModelScores], result: StudyResult, split: TestSplit, params: EvaluateParams
) -> ObjectComparisons | None:
    """Compare each arm with the baseline and with the best arm without a GAN; None without thing classes."""
    if not split.things:
        return None
    _, index = resampling_units(split.groups)
    arms = {
        arm: [
            unit_counts(score.objects.images, index)
            for score in scores
            if score.objects and score.cell.arm == arm and score.cell.seed in seeds
        ]
        for arm, seeds in result.val_mious.items()
    }
    against = {"against_baseline": BASELINE, "against_best_non_gan": result.best_non_gan}
    return {
        kind: {
            arm: compare_counts(own, arms[reference], params)
            for arm, own in arms.items()
            if arm != reference
        }
        for kind, reference in against.items()
    }


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
        _scores(one, ones)[0] - _scores(other, ones)[0]
        for one, other in zip(candidate, reference, strict=True)
    ])  # fmt: skip
    value = by_seed.mean(axis=0)
    ends = np.full(len(NAMES), np.nan), np.full(len(NAMES), np.nan)
    if units >= least_units(params.confidence) and not np.isnan(value).any():
        rng = np.random.default_rng(params.seed)
        drawn = rng.multinomial(units, np.full(units, 1 / units), size=params.bootstrap)
        resampled = _mean_scores(candidate, drawn) - _mean_scores(reference, drawn)
        holders = np.full(len(NAMES), units)
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
        for i, name in enumerate(NAMES)
    }


def estimate_counts(
    counts: UnitCounts, *, resamples: int, confidence: float, seed: int
) -> dict[str, Ends]:
    """Return PQ and AP50 of one model with both ends of their intervals; see `compare_counts`."""
    units = len(counts.true)
    value = _scores(counts, np.ones((1, units)))[0]
    ends = np.full(len(NAMES), np.nan), np.full(len(NAMES), np.nan)
    if units >= least_units(confidence) and not np.isnan(value).any():
        rng = np.random.default_rng(seed)
        drawn = rng.multinomial(units, np.full(units, 1 / units), size=resamples)
        holders = np.full(len(NAMES), units)
        ends = bootstrap_ends(_scores(counts, drawn), holders, confidence=confidence)
    return {
        name: {"value": float(value[i]), "low": float(ends[0][i]), "high": float(ends[1][i])}
        for i, name in enumerate(NAMES)
    }


def flat_object_differences(comparisons: ObjectComparisons | None) -> dict[str, float]:
    """Return the differences with their intervals under flat metric names; empty without thing classes."""
    words = {"against_baseline": "delta", "against_best_non_gan": "delta_best_non_gan"}
    flat: dict[str, float] = {}
    for kind, arms in (comparisons or {}).items():
        for arm, found in arms.items():
            for name, interval in found.items():
                place = f"test/{words[kind]}/{arm}/{name.upper()}"
                flat |= {place: interval["value"], f"{place}/low": interval["low"],
                         f"{place}/high": interval["high"]}  # fmt: skip
    return {name: value for name, value in flat.items() if np.isfinite(value)}


def _mean_scores(
    arm: Sequence[UnitCounts], weights: Num[np.ndarray, "R U"]
) -> Float[np.ndarray, "R 2"]:
    return np.asarray(np.mean([_scores(one, weights) for one in arm], axis=0))


def _scores(counts: UnitCounts, weights: Num[np.ndarray, "R U"]) -> Float[np.ndarray, "R 2"]:
    """Return PQ and AP50 per resample, means over the thing classes that the resample shows; nan if it shows none."""
    shown = weights @ counts.true > 0
    scores = (panoptic_quality(counts, weights), average_precision(counts, weights))
    return np.column_stack([_mean(one, shown) for one in scores])


def _mean(
    values: Float[np.ndarray, "R T"], shown: Bool[np.ndarray, "R T"]
) -> Float[np.ndarray, " R"]:
    count = shown.sum(axis=1)
    total = np.where(shown, values, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
