"""Greedy k-center, by hand and by what holds for any points."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocrnet.labelling.diversity import k_center, standardise


def on_a_line(*places: float) -> np.ndarray:
    return np.array(places, dtype=np.float64)[:, None]


def test_each_image_is_far_from_the_labelled_and_from_those_before() -> None:
    """From 0 the point 10 is furthest; 9 is then near it, so 4 (distance 4) comes before it."""
    picks = k_center(on_a_line(1, 4, 10, 9), on_a_line(0), np.ones(4), count=4)
    assert [(one.place, one.distance) for one in picks] == [(2, 10.0), (1, 4.0), (0, 1.0), (3, 1.0)]


def test_an_image_that_models_doubt_comes_before_one_that_is_further_away() -> None:
    picks = k_center(on_a_line(6, 10), on_a_line(0), np.array([1.0, 0.5]), count=2)
    assert [(one.place, one.score) for one in picks] == [(0, 6.0), (1, 2.0)]


def test_without_any_doubt_the_distance_decides() -> None:
    picks = k_center(on_a_line(1, 3, 2), on_a_line(0), np.zeros(3), count=1)
    assert [one.place for one in picks] == [1]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-9, 9), min_size=1, max_size=8), st.integers(1, 9))
def test_no_image_comes_twice_and_distances_fall(places: list[float], count: int) -> None:
    picks = k_center(on_a_line(*places), on_a_line(0, 5), np.ones(len(places)), count=count)
    assert len({one.place for one in picks}) == len(picks) == min(count, len(places))
    distances = [one.distance for one in picks]
    assert distances == sorted(distances, reverse=True)


def test_channels_count_alike_whatever_their_units() -> None:
    """The second channel is the first one in other units; the third one never changes."""
    points, labelled = np.array([[1.0, 1000.0, 7.0]]), np.array([[3.0, 3000.0, 7.0]])
    points, others = standardise(points, labelled)
    # The standard deviation of 1 and 3 is 1, so they are 2 apart in two of three channels.
    assert np.linalg.norm(points[0] - others[0]) == pytest.approx(np.sqrt(8 / 3))
