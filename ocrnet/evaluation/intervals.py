"""Intervals of scores and of paired differences from few test images and few trainings.

A percentile bootstrap of a handful of images is too narrow: of one image it has no width at all. Three corrections:

- Below a least number of units there is no interval. Where both arms are equal, each unit is as likely to favour
  the one as the other, so n units all agree by chance with probability 2^-n. That must not be more than the error
  that the interval allows on one side: six units at 95 %.
- The percentiles are moved out as Student's t requires for the number of units (Hesterberg, arXiv:1411.5279).
- A difference excludes zero only where a swap test does so, too: the two arms of each unit are exchanged at random. It
  is exact for equal arms whatever the number of units and however few of them hold a class.

Trainings (seeds) are far fewer than images. Their part is an interval of Student's t over the differences by seed,
added to that of the images by the square root of the sum of squares (Zou and Donner, Statistics in Medicine 27, 2008).
`python -m benchmarks.intervals` measures all of this against other intervals.
"""

import math

import numpy as np
from jaxtyping import Float, Integer
from scipy.special import ndtr, stdtrit

LEAST_UNITS = 6  # with fewer there is no interval at any confidence
TIE = 1e-12  # two differences that are nearer than this are equal but for rounding

Ends = tuple[Float[np.ndarray, " M"], Float[np.ndarray, " M"]]


def least_units(confidence: float) -> int:
    """Return how many images or groups an interval needs.

    >>> least_units(0.95), least_units(0.99)
    (6, 8)
    """
    return max(LEAST_UNITS, math.ceil(math.log2(2 / (1 - confidence)) - 1e-9))


def shortage_words(units: int, unit: str, least: int) -> str:
    """Return why there is no interval.

    >>> shortage_words(1, "images", 6)
    '1 image is too few for an interval: 6 are needed'
    """
    found = f"1 {unit.removesuffix('s')} is" if units == 1 else f"{units} {unit} are"
    return f"{found} too few for an interval: {least} are needed"


def expanded_tail(units: int, confidence: float) -> float:
    """Return the share of resamples to leave out on each side of an interval.

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
        resampled: The scores of each resample; nan where no unit of it holds the class.
        holders: Number of units that hold the class of each score.
        confidence: Confidence level of the intervals, such as 0.95.

    Returns:
        The lower and the upper ends, nan where too few units hold the class.
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
    """Return the units in which to exchange the arms: all combinations if there are at most `draws`, else random ones.

    The first row exchanges nothing: it gives the observed difference.
    """
    if 2**units <= draws:
        return np.arange(2**units)[:, None] >> np.arange(units) & 1
    swaps = rng.integers(0, 2, size=(draws, units))
    return np.concatenate([np.zeros((1, units), dtype=swaps.dtype), swaps])


def hold_zero_unless_swaps_deny_it(
    ends: Ends, swapped: Float[np.ndarray, "R M"], *, confidence: float
) -> Ends:
    """Widen intervals to zero where equal arms would too often differ as much.

    Args:
        ends: Lower and upper ends of the intervals of the differences.
        swapped: The differences after each exchange, the first row without one.
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
        ends: Lower and upper ends of the intervals over images or groups, with the seeds as they are.
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
