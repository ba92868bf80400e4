"""Is one way of training better than another? A paired bootstrap, and the rule that follows.

Both models are scored on the same resampled test images, so what makes an image hard cancels out.
Each resample gives a score of a whole set (one confusion matrix), as the reported mIoU is one. With
several seeds, an arm's score is the mean over its seeds inside each resample, and the seeds are resampled too where the
question is whether the way of training is better, and not only these models of it.

A class without a true pixel in a resample is in neither model's mean there, so that both means are
over the same classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer

from ocrnet.data.arms import without_gan

LEAST_GROUPS = 6  # with fewer, a bootstrap over groups says nothing


@dataclass(frozen=True)
class Interval:
    """A score or a difference with its bootstrap interval; nan where the class has no true pixel."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """The scores of an arm with their intervals.

    Args:
        unit: what was resampled, `images` or `groups`.
        units: how many of them there are.
        classes: how many classes the mIoU is over.
        seeds: how many seeds were resampled, too; 1 where they were taken as they are.
    """

    miou: Interval
    per_class: tuple[Interval, ...]
    unit: str
    units: int
    classes: int
    confidence: float
    seeds: int = 1


@dataclass(frozen=True)
class Comparison(Estimate):
    """How much better one arm is than another: differences in place of scores."""

    @property
    def helps(self) -> bool:
        """Whether the whole interval of the difference in mIoU is above zero."""
        return self.miou.low > 0.0

    @property
    def hurts(self) -> bool:
        """Whether the whole interval of the difference in mIoU is below zero."""
        return self.miou.high < 0.0


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
        candidate: one confusion matrix per seed and image, rows truth.
        reference: those of the other arm, with the same seeds and images in the same order.
        groups: the group of each image. Groups are resampled whole where there are fewer of them
            than images and at least 6.
        resamples: how often to resample.
        confidence: of the percentile interval.
        seed: of the resampling.
        over_seeds: resample the seeds too, the same ones for both arms: the interval is then about training anew, and
            not only about these models on other images. With few seeds it is too narrow still.
    """
    unit, index = resampling_units(groups)
    sums = [_unit_sums(confusions, index) for confusions in (candidate, reference)]
    units = int(index.max()) + 1
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(units, np.full(units, 1 / units), size=resamples)
    seeds = len(candidate)
    times = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples)
    chosen = times if over_seeds else np.ones_like(times)
    everything = np.ones((1, units), dtype=np.int64)
    once = np.ones((1, seeds), dtype=np.int64)
    (value,) = _scores(sums[0], everything, once) - _scores(sums[1], everything, once)
    low, high = _quantiles(
        _scores(sums[0], drawn, chosen) - _scores(sums[1], drawn, chosen), confidence
    )
    intervals = tuple(Interval(*map(float, parts)) for parts in zip(value, low, high, strict=True))
    return Comparison(
        miou=intervals[-1],
        per_class=intervals[:-1],
        unit=unit,
        units=units,
        classes=int((candidate.sum(axis=(0, 1, 3)) > 0).sum()),
        confidence=confidence,
        seeds=seeds if over_seeds else 1,
    )


def estimate(
    confusions: Integer[np.ndarray, "S N K K"],
    *,
    groups: Sequence[str],
    resamples: int,
    confidence: float,
    seed: int,
) -> Estimate:
    """Return the scores of one arm with their intervals, from the resamples of images that `compare` draws."""
    unit, index = resampling_units(groups)
    sums = _unit_sums(confusions, index)
    units = int(index.max()) + 1
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(units, np.full(units, 1 / units), size=resamples)
    all_seeds = np.ones((resamples, len(confusions)), dtype=np.int64)
    low, high = _quantiles(_scores(sums, drawn, all_seeds), confidence)
    values = arm_scores(confusions)
    intervals = tuple(Interval(*map(float, parts)) for parts in zip(values, low, high, strict=True))
    return Estimate(
        miou=intervals[-1],
        per_class=intervals[:-1],
        unit=unit,
        units=units,
        classes=int((confusions.sum(axis=(0, 1, 3)) > 0).sum()),
        confidence=confidence,
    )


def arm_scores(confusions: Integer[np.ndarray, "S N K K"]) -> Float[np.ndarray, " K+1"]:
    """Return the mean over seeds of each class's IoU and, last, of the mIoU, as in `compare`."""
    index = np.arange(confusions.shape[1])
    everything = np.ones((1, len(index)), dtype=np.int64)
    once = np.ones((1, len(confusions)), dtype=np.int64)
    scores: np.ndarray = _scores(_unit_sums(confusions, index), everything, once)[0]
    return scores


def resampling_units(groups: Sequence[str]) -> tuple[str, Integer[np.ndarray, " N"]]:
    """Return what to resample and the unit that each image is in."""
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    if LEAST_GROUPS <= len(names) < len(groups):
        return "groups", index
    return "images", np.arange(len(groups))


def best_seed(val_mious: Mapping[int, float]) -> int:
    """Return the seed with the best validation mIoU, the first of equals."""
    return max(val_mious, key=lambda seed: val_mious[seed])


def best_arm(val_mious: Mapping[str, Mapping[int, float]], among: Sequence[str]) -> str:
    """Return the arm with the best mean validation mIoU over its seeds, the first of equals."""
    return max(among, key=lambda arm: sum(val_mious[arm].values()) / len(val_mious[arm]))


def choose_arm(val_mious: Mapping[str, Mapping[int, float]], helpful: Sequence[str]) -> str:
    """Return the arm of the challenger.

    An arm with a GAN must be shown to help. Among those that are, and among those without a GAN where none is, the
    validation split decides, never the test split.

    Args:
        val_mious: the validation mIoU per arm and seed.
        helpful: the arms with a GAN that are shown to help.
    """
    return best_arm(val_mious, helpful or without_gan(val_mious))


def _unit_sums(
    confusions: Integer[np.ndarray, "S N K K"], index: Integer[np.ndarray, " N"]
) -> Integer[np.ndarray, "S U 3 K"]:
    """Sum, per seed and unit, what an IoU is made of: true positives, true and predicted pixels."""
    hits = np.diagonal(confusions, axis1=-2, axis2=-1)
    parts = np.stack([hits, confusions.sum(-1), confusions.sum(-2)], axis=2)
    sums = np.zeros((parts.shape[0], int(index.max()) + 1, *parts.shape[2:]), dtype=np.int64)
    for one, total in zip(parts, sums, strict=True):
        np.add.at(total, index, one)
    return sums


def _scores(
    sums: Integer[np.ndarray, "S U 3 K"],
    drawn: Integer[np.ndarray, "R U"],
    times: Integer[np.ndarray, "R S"],
) -> Float[np.ndarray, "R K+1"]:
    """Return, per resample, the mean over seeds of each class's IoU and, last, of the mIoU.

    Args:
        sums: of `_unit_sums`.
        drawn: how often each unit is in a resample.
        times: how often each seed is.
    """
    seeds, units, _, classes = sums.shape
    scores = np.zeros((len(drawn), classes + 1))
    for one, often in zip(sums, times.T, strict=True):
        # Exact: the sums are integers far below 2^53.
        resampled = drawn.astype(np.float64) @ one.reshape(units, -1).astype(np.float64)
        hits, true, predicted = np.moveaxis(resampled.reshape(-1, 3, classes), 1, 0)
        present = true > 0
        iou = np.full(hits.shape, np.nan)
        np.divide(hits, true + predicted - hits, out=iou, where=present)
        mean = np.where(present, iou, 0.0).sum(1) / np.maximum(present.sum(1), 1)
        scores += often[:, None] * np.column_stack([iou, mean]) / seeds
    return scores


def _quantiles(
    differences: Float[np.ndarray, "R M"], confidence: float
) -> tuple[Float[np.ndarray, " M"], Float[np.ndarray, " M"]]:
    """Return the percentile interval of each column over the resamples that have a value."""
    low, high = np.full((2, differences.shape[1]), np.nan)
    tail = (1 - confidence) / 2
    for i, column in enumerate(differences.T):
        known = column[~np.isnan(column)]
        if known.size:
            low[i], high[i] = np.quantile(known, [tail, 1 - tail])
    return low, high
