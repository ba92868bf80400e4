"""A paired bootstrap that compares two arms.

Both models are scored on the same resampled test images, so the difficulty of an image cancels out.
Each resample gives one score of a whole set (one confusion matrix), like the reported mIoU. With several seeds, an
arm's score is the mean over its seeds in each resample. The interval also covers their spread if it is about the arm
and not only about these models. `ocrnet/evaluation/intervals.py` defines the interval for few images and few seeds.

A class without a true pixel in a resample is not in the mean of either model, so that both means are
over the same classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer

from ocrnet.evaluation.intervals import (
    LEAST_UNITS,
    Ends,
    add_spread_of_seeds,
    bootstrap_ends,
    draw_swaps,
    hold_zero_unless_swaps_deny_it,
    least_units,
)
from ocrnet.evaluation.unit_scores import (
    holders,
    mean_scores,
    mixed_scores,
    resampling_units,
    scores_by_seed,
    unit_sums,
)


@dataclass(frozen=True)
class Interval:
    """A score or a difference with its bootstrap interval.

    Args:
        value: The score; nan if the class has no true pixel.
        low: Lower end; nan if too few images or groups show the class.
        high: Upper end; nan if too few images or groups show the class.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """The scores of an arm with their intervals.

    Args:
        miou: The mIoU with its interval.
        per_class: IoU of each class with its interval.
        unit: Unit that was resampled, `images` or `groups`.
        units: Number of images or groups.
        classes: Number of classes that the mIoU is averaged over.
        confidence: Confidence level of the intervals, such as 0.95.
        seeds: Number of trainings that the interval covers; 1 if it covers only these models.
        least: Number of units that an interval needs; with fewer, all ends are nan.
    """

    miou: Interval
    per_class: tuple[Interval, ...]
    unit: str
    units: int
    classes: int
    confidence: float
    seeds: int = 1
    least: int = LEAST_UNITS

    @property
    def too_few(self) -> bool:
        """Whether there are too few images or groups for any interval."""
        return self.units < self.least


@dataclass(frozen=True)
class Comparison(Estimate):
    """The differences between the scores of two arms, with their intervals.

    Args:
        of_objects: The difference in the score of objects that `evaluate.metric` names; None if it names the mIoU.
    """

    of_objects: Interval | None = None

    @property
    def deciding(self) -> Interval:
        """The difference in the score that `evaluate.metric` names."""
        return self.of_objects or self.miou

    @property
    def helps(self) -> bool:
        """Whether the whole interval of the deciding difference is above zero."""
        return self.deciding.low > 0.0

    @property
    def hurts(self) -> bool:
        """Whether the whole interval of the deciding difference is below zero."""
        return self.deciding.high < 0.0


def compare(
    candidate: Integer[np.ndarray, "S N K K"],
    reference: Integer[np.ndarray, "S N K K"],
    *,
    groups: Sequence[str],
    resamples: int,
    confidence: float,
    seed: int,
    over_seeds: bool = False,
) -> Comparison:
    """Compare two arms by their confusion matrices per seed and test image.

    Args:
        candidate: One confusion matrix per seed and image; rows are the truth.
        reference: Confusion matrices of the other arm, with the same seeds and images in the same order.
        groups: Group of each image. Whole groups are resampled if there are fewer groups than images.
        resamples: Number of resamples, and of exchanges of the arms.
        confidence: Confidence level of the intervals, which are nan if there are too few units for it.
        seed: Random seed of the resampling.
        over_seeds: Whether the interval also covers the variation between trainings. Each seed must then be a separate
            training.
    """
    unit, index = resampling_units(groups)
    sums = [unit_sums(confusions, index) for confusions in (candidate, reference)]
    units, seeds = int(index.max()) + 1, len(candidate)
    everything = np.ones((1, units), dtype=np.int64)
    by_seed = scores_by_seed(sums[0], everything)[:, 0] - scores_by_seed(sums[1], everything)[:, 0]
    value = by_seed.mean(axis=0)
    ends = _no_ends(len(value))
    covers_seeds = over_seeds and seeds > 1
    if units >= least_units(confidence):
        rng = np.random.default_rng(seed)
        drawn = rng.multinomial(units, np.full(units, 1 / units), size=resamples)
        resampled = mean_scores(sums[0], drawn) - mean_scores(sums[1], drawn)
        ends = bootstrap_ends(resampled, holders(sums[0]), confidence=confidence)
        swaps = draw_swaps(units, draws=resamples, rng=rng)
        first, second = sums
        swapped = mixed_scores(first, second, swaps) - mixed_scores(second, first, swaps)
        ends = hold_zero_unless_swaps_deny_it(ends, swapped, confidence=confidence)
        if covers_seeds:
            ends = add_spread_of_seeds(ends, value, by_seed, confidence=confidence)
    intervals = _intervals(value, ends)
    return Comparison(
        miou=intervals[-1],
        per_class=intervals[:-1],
        unit=unit,
        units=units,
        classes=int((candidate.sum(axis=(0, 1, 3)) > 0).sum()),
        confidence=confidence,
        seeds=seeds if covers_seeds else 1,
        least=least_units(confidence),
    )


def estimate(
    confusions: Integer[np.ndarray, "S N K K"],
    *,
    groups: Sequence[str],
    resamples: int,
    confidence: float,
    seed: int,
) -> Estimate:
    """Return the scores of one arm with their intervals, with the resamples of `compare`."""
    unit, index = resampling_units(groups)
    sums = unit_sums(confusions, index)
    units = int(index.max()) + 1
    values = arm_scores(confusions)
    ends = _no_ends(len(values))
    if units >= least_units(confidence):
        rng = np.random.default_rng(seed)
        drawn = rng.multinomial(units, np.full(units, 1 / units), size=resamples)
        ends = bootstrap_ends(mean_scores(sums, drawn), holders(sums), confidence=confidence)
    intervals = _intervals(values, ends)
    return Estimate(
        miou=intervals[-1],
        per_class=intervals[:-1],
        unit=unit,
        units=units,
        classes=int((confusions.sum(axis=(0, 1, 3)) > 0).sum()),
        confidence=confidence,
        least=least_units(confidence),
    )


def arm_scores(confusions: Integer[np.ndarray, "S N K K"]) -> Float[np.ndarray, " K+1"]:
    """Return the mean over seeds of the IoU of each class and, last, of the mIoU, as in `compare`."""
    index = np.arange(confusions.shape[1])
    everything = np.ones((1, len(index)), dtype=np.int64)
    scores: np.ndarray = mean_scores(unit_sums(confusions, index), everything)[0]
    return scores


def _no_ends(count: int) -> Ends:
    return np.full(count, np.nan), np.full(count, np.nan)


def _intervals(value: Float[np.ndarray, " M"], ends: Ends) -> tuple[Interval, ...]:
    return tuple(Interval(*map(float, parts)) for parts in zip(value, *ends, strict=True))
