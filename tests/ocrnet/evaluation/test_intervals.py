"""How often equal arms are told apart, by simulation: the claim that every verdict rests on."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.intervals import draw_arms, draw_groups
from ocrnet.evaluation.bootstrap import Comparison, compare
from ocrnet.evaluation.intervals import draw_swaps, expanded_tail, least_units

Drawn = tuple[NDArray[np.int64], NDArray[np.int64], list[str]]
TRIALS = 400
# A rate of 2.5 % shows 19 times or more among 400 in 1 % of the cases; one of 5 % is 20 in the mean.
MOST = 18


def by_image(rng: np.random.Generator, count: int) -> Drawn:
    return *draw_arms(rng, count), [f"{i:03}" for i in range(count)]


def told_apart(draw: Callable[[np.random.Generator, int], Drawn], count: int) -> tuple[int, int]:
    rng = np.random.default_rng(count)
    found: list[Comparison] = []
    for trial in range(TRIALS):
        first, second, groups = draw(rng, count)
        found.append(
            compare(first, second, groups=groups, resamples=400, confidence=0.95, seed=trial)
        )
    return sum(one.helps for one in found), sum(one.hurts for one in found)


@pytest.mark.parametrize("draw", [by_image, draw_groups])
@pytest.mark.parametrize("count", [6, 12])
def test_equal_arms_seldom_help(
    draw: Callable[[np.random.Generator, int], Drawn], count: int
) -> None:
    """Nominal is 2.5 % on each side; a percentile bootstrap reaches 7 to 10 % at six units."""
    helps, hurts = told_apart(draw, count)
    assert helps <= MOST
    assert hurts <= MOST
    assert helps + hurts > 0  # the rule is not simply deaf


@pytest.mark.parametrize("seeds", [2, 3])
def test_equal_ways_of_training_seldom_help_over_few_lucky_seeds(seeds: int) -> None:
    """Resampling two or three seeds would call a quarter or an eighth of equal arms better."""
    rng = np.random.default_rng(seeds)
    groups = [str(i) for i in range(12)]
    helps = 0
    for trial in range(TRIALS):
        arms = draw_arms(rng, 12, seeds=seeds, luck=0.5)
        helps += compare(
            *arms, groups=groups, resamples=200, confidence=0.95, seed=trial, over_seeds=True
        ).helps
    assert helps <= MOST


def test_a_real_gain_is_seen_at_the_least_number() -> None:
    """Every second wrong pixel put right, on each of six images."""
    rng = np.random.default_rng(0)
    seen = 0
    for trial in range(50):
        first, _ = draw_arms(rng, 6)
        index = np.arange(first.shape[-1])
        moved = np.where(np.eye(len(index), dtype=bool), 0, first) // 2
        better = first - moved
        better[..., index, index] += moved.sum(-1)
        seen += compare(
            better, first, groups=list("abcdef"), resamples=200, confidence=0.95, seed=trial
        ).helps
    assert seen == 50


def test_the_least_number_follows_from_what_luck_allows() -> None:
    assert [least_units(share) for share in (0.6, 0.9, 0.95, 0.99, 0.999)] == [6, 6, 6, 8, 11]
    for share in (0.95, 0.99):
        assert 2.0 ** -least_units(share) <= (1 - share) / 2 < 2.0 ** (1 - least_units(share))


def test_tails_shrink_with_few_units_and_are_the_nominal_ones_with_many() -> None:
    tails = [expanded_tail(units, 0.95) for units in (6, 12, 50, 100_000)]
    assert tails == sorted(tails)
    assert tails[-1] == pytest.approx(0.025, abs=1e-5)


def test_all_exchanges_are_tried_where_they_are_few() -> None:
    rng = np.random.default_rng(0)
    every = draw_swaps(6, draws=64, rng=rng)
    assert len({tuple(row) for row in every.tolist()}) == 64
    some = draw_swaps(40, draws=100, rng=rng)
    assert some.shape == (101, 40)
    assert not every[0].any()
    assert not some[0].any()
