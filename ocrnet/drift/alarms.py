"""Which new images are strange, and whether the new images as a whole are others than the reference.

An image: the distance of each measure from the median of the training images is divided by the distance that 95 % of
these stay below, so that measures with long tails count alike, and the largest quotient is the image's strangeness. Its
p-value is conformal: with n images of the split val, p = (1 + number of val images that are at least as strange) /
(n + 1). If a new image comes from where the val images come from, p is at most r with probability r or less, whatever
the distributions are (Vovk et al., Algorithmic Learning in a Random World, 2005).

The set: a two-sample Kolmogorov-Smirnov test of each measure against the val images, with Holm's correction, so that
the probability of any false alarm is at most r for independent images. Frames of one video are not independent.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy import stats

from ocrnet.drift.measures import TAILS
from ocrnet.errors import ParamsError

MOST = 0.95  # share of the training images whose distance is at most 1
LEAST_SPREAD = 1e-6  # where all training images have one value, such as a size
LEAST_SET = 5  # images, below which the set is not tested


@dataclass(frozen=True)
class Scale:
    """The middle of each measure over the training images, and the distance that most of them stay below."""

    middle: "pd.Series[float]"
    spread: "pd.Series[float]"

    @classmethod
    def of(cls, train: pd.DataFrame) -> "Scale":
        """Return the medians, and the 95 % quantiles of the distances from them to the side that is strange."""
        middle = train.median()
        spread = _to_strange_side(train - middle).quantile(MOST)
        return cls(middle, spread.where(spread > LEAST_SPREAD, LEAST_SPREAD))

    def distances(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return how far each measure is from the middle, in spreads, to the side that is strange; 0 if unknown."""
        return _to_strange_side(table - self.middle) / self.spread


def _to_strange_side(deviations: pd.DataFrame) -> pd.DataFrame:
    """Return deviations as distances: those to the other side, and those that are not known, are 0."""
    signs = {"both": deviations.abs(), "low": -deviations, "high": deviations}
    sided = pd.DataFrame({name: signs[tail][name] for name, tail in TAILS.items()})
    return sided.clip(lower=0.0).fillna(0.0)


@dataclass(frozen=True)
class Judgement:
    """The images of a set, judged one by one.

    Args:
        distances: Distance of each measure, a row per image.
        p_values: Conformal p-value of each image.
        rate: Highest probability of a false alarm for one image.
        limit: Strangeness above which an image is strange.
    """

    distances: pd.DataFrame
    p_values: Float[np.ndarray, " n"]
    rate: float
    limit: float

    @property
    def strangeness(self) -> Float[np.ndarray, " n"]:
        """The largest distance of each image."""
        largest: Float[np.ndarray, " n"] = self.distances.max(axis=1).to_numpy()
        return largest

    @property
    def strange(self) -> Bool[np.ndarray, " n"]:
        """Whether each image is strange."""
        return self.p_values <= self.rate

    def reasons(self, index: int) -> list[str]:
        """Return the measures of a strange image that are beyond the limit, the largest distance first."""
        row = self.distances.iloc[index].sort_values(ascending=False, kind="stable")
        return [str(name) for name, value in row.items() if value > self.limit]


def judge(table: pd.DataFrame, *, train: pd.DataFrame, val: pd.DataFrame, rate: float) -> Judgement:
    """Judge images one by one.

    Args:
        table: Measures of the images.
        train: Measures of the training images, which set the scale.
        val: Measures of the val images, which set the limit.
        rate: Highest probability of a false alarm for one image, in (0, 1).

    Raises:
        ParamsError: There are too few val images for the rate.
    """
    least = 1 / (len(val) + 1)
    if not least <= rate < 1:
        raise ParamsError(
            f"--rate: found {rate:g}, allowed is {least:.3g} and more, below 1: the split val has {len(val)} images. "
            "Give a higher rate, or label more images."
        )
    scale = Scale.of(train)
    known = np.sort(scale.distances(val).max(axis=1).to_numpy())
    distances = scale.distances(table)
    found = distances.max(axis=1).to_numpy()
    above = len(known) - np.searchsorted(known, found, side="left")
    p_values = (1 + above) / (len(known) + 1)
    # The strangest images of val that still leave p <= rate: one less than rate * (n + 1) of them.
    allowed = int(np.floor(rate * (len(known) + 1) + 1e-9)) - 1
    return Judgement(distances, p_values, rate, float(known[len(known) - 1 - allowed]))


@dataclass(frozen=True)
class SetTest:
    """The test of one measure over a set.

    Args:
        measure: Name of the measure.
        statistic: Largest distance of the two distribution functions, in [0, 1].
        p_value: Probability of such a distance by chance, after Holm's correction.
        before, now: Medians of the val images and of the new ones.
        alarm: Whether the p-value is at most the rate.
    """

    measure: str
    statistic: float
    p_value: float
    before: float
    now: float
    alarm: bool


def compare_sets(table: pd.DataFrame, val: pd.DataFrame, *, rate: float) -> list[SetTest]:
    """Test whether a set of images has the distributions of the val images.

    Args:
        table: Measures of the new images.
        val: Measures of the val images.
        rate: Highest probability that any measure gives a false alarm.

    Returns:
        A test per measure that both sets know; none if a set has less than five images.
    """
    found = []
    for name in TAILS:
        new, old = table[name].dropna().to_numpy(), val[name].dropna().to_numpy()
        if min(len(new), len(old)) >= LEAST_SET:
            result = stats.ks_2samp(new, old, method="auto")
            found.append((name, float(result.statistic), float(result.pvalue), old, new))
    adjusted = holm([p for _, _, p, _, _ in found])
    return [
        SetTest(name, statistic, p, float(np.median(old)), float(np.median(new)), p <= rate)
        for (name, statistic, _, old, new), p in zip(found, adjusted, strict=True)
    ]


def holm(p_values: list[float]) -> list[float]:
    """Return p-values after Holm's correction (Scandinavian Journal of Statistics 6, 1979).

    Examples:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    adjusted, highest = [1.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def false_alarms(judgement: Judgement) -> tuple[float, float, float]:
    """Return the share of strange images, and its exact 95 % interval (Clopper and Pearson, 1934)."""
    count = int(judgement.strange.sum())
    interval = stats.binomtest(count, len(judgement.strange)).proportion_ci(0.95, method="exact")
    return count / len(judgement.strange), float(interval.low), float(interval.high)
