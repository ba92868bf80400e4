"""Intervals of scores and of paired differences from few test images and few trainings.

A percentile bootstrap of a few images is too narrow: with one image it has no width. There are three corrections:

- Below a minimum number of units there is no interval. If both arms are equal, each unit favours either arm with equal
  probability, so n units all favour one arm with probability 2^-n. This must be at most the error that the interval
  allows on one side: six units at 95 %.
- The percentiles are expanded as Student's t requires for the number of units (Hesterberg, arXiv:1411.5279).
- A difference excludes zero only if a swap test does, too: it exchanges the two arms of random units. The test is exact
  for equal arms with any number of units and for classes that few units show.

There are far fewer trainings (seeds) than images. Their interval is Student's t over the differences by seed. It is
combined with the interval of the images as the root of the sum of squares (Zou and Donner, Statistics in Medicine 27,
2008). `python -m benchmarks.intervals` compares this with other intervals.
"""

import math

import numpy as np
from jaxtyping import Float, Integer
from scipy.special import ndtr, stdtrit

LEAST_UNITS = 6  # with fewer there is no interval at any confidence
TIE = 1e-12  # two differences that are closer than this differ only by rounding

Ends = tuple[Float[np.ndarray, " M"], Float[np.ndarray, " M"]]


def least_units(confidence: float) -> int:
    """Return the number of images or groups that an interval needs.

    Examples:
        >>> least_units(0.95), least_units(0.99)
        (6, 8)
    """
    return max(LEAST_UNITS, math.ceil(math.log2(2 / (1 - confidence)) - 1e-9))


def shortage_words(units: int, unit: str, least: int) -> str:
    """Return the reason why there is no interval.

    Examples:
        >>> shortage_words(1, "images", 6)
        '1 image is too few for an interval: 6 are needed'
    """
    found = f"1 {unit.removesuffix('s')} is" if units == 1 else f"{units} {unit} are"
    return f"{found} too few for an interval: {least} are needed"


def expanded_tail(units: int, confidence: float) -> float:
    """Return the share of resamples to leave out on each side of an interval.

    Examples:
        >>> round(expanded_tail(6, 0.95), 4), round(expanded_tail(10_000, 0.95), 4)
        (0.0024, 0.025)
    """
    student = stdtrit(units - 1, (1 + confidence) / 2)
    return float(ndtr(-math.sqrt(units / (units - 1)) * student))


def bootstrap_ends(
    resampled: Float[np.ndarray, "R M"],
    holders: Integer[np.ndarray, " M"],
    *,
    confidence: float,
) -> Ends:
    """Return both ends of the interval of each score.

    Args:
        resampled: Scores of each resample; nan if no unit of it shows the class.
        holders: Number of units that show the class of each score.
        confidence: Confidence level of the intervals, such as 0.95.

    Returns:
        The lower and the upper ends; nan if too few units show the class.
    """
    low, high = np.full((2, resampled.shape[1]), np.nan)
    least = least_units(confidence)
    for i, (column, units) in enumerate(zip(resampled.T, holders.tolist(), strict=True)):
        known = column[~np.isnan(column)]
        if units >= least and known.size:
            tail = expanded_tail(units, confidence)
            low[i], high[i] = np.quantile(known, [tail, 1 - tail])
    return low, high


def draw_swaps(units: int, *, draws: int, rng: np.random.Generator) -> Integer[np.ndarray, "R U"]:
    """Return the units whose arms are exchanged: all combinations if there are at most `draws`, else random ones.

    The first row exchanges no unit: it gives the observed difference.
    """
    if 2**units <= draws:
        return np.arange(2**units)[:, None] >> np.arange(units) & 1
    swaps = rng.integers(0, 2, size=(draws, units))
    return np.concatenate([np.zeros((1, units), dtype=swaps.dtype), swaps])


def hold_zero_unless_swaps_deny_it(
    ends: Ends, swapped: Float[np.ndarray, "R M"], *, confidence: float
) -> Ends:
    """Extend an interval to zero if equal arms would too often differ as much.

    Args:
        ends: Lower and upper ends of the intervals of the differences.
        swapped: Differences after each exchange; the first row is without an exchange.
        confidence: Confidence level of the intervals, such as 0.95.
    """
    found = swapped[0]
    tail = (1 - confidence) / 2
    above = (swapped >= found - TIE).mean(axis=0)
    below = (swapped <= found + TIE).mean(axis=0)
    low, high = ends
    return (
        np.where(above > tail, np.minimum(low, 0.0), low),
        np.where(below > tail, np.maximum(high, 0.0), high),
    )


def add_spread_of_seeds(
    ends: Ends,
    value: Float[np.ndarray, " M"],
    by_seed: Float[np.ndarray, "S M"],
    *,
    confidence: float,
) -> Ends:
    """Widen intervals over units by the variation between trainings.

    Args:
        ends: Lower and upper ends of the intervals over images or groups, for these seeds only.
        value: Mean over seeds.
        by_seed: Differences of each seed, for two seeds or more.
        confidence: Confidence level of the intervals, such as 0.95.
    """
    seeds = len(by_seed)
    student = stdtrit(seeds - 1, (1 + confidence) / 2)
    spread = student * by_seed.std(axis=0, ddof=1) / math.sqrt(seeds)
    low, high = ends
    return (
        value - np.hypot(np.maximum(value - low, 0.0), spread),
        value + np.hypot(np.maximum(high - value, 0.0), spread),
    )
