"""Alarms: their p-values by hand, and their rate for images that are like the reference."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrnet.drift.alarms import Scale, compare_sets, false_alarms, judge
from ocrnet.drift.measures import TAILS
from ocrnet.errors import ParamsError


def table_of(brightness: np.ndarray, **others: float) -> pd.DataFrame:
    """Measures that differ in the brightness alone."""
    table = pd.DataFrame({name: np.full(len(brightness), others.get(name, 1.0)) for name in TAILS})
    return table.assign(brightness=brightness)


TRAIN = table_of(
    np.array([0.0, 1.0, 2.0, 3.0, 4.0])
)  # median 2; no image is further from it than 2
VAL = table_of(np.array([2.0, 3.0, 0.0, 5.0]))  # 0, 1, 2 and 3 from the middle


@pytest.mark.parametrize(
    ("brightness", "p_value"), [(2.0, 1.0), (2.5, 0.8), (-0.5, 0.4), (5.0, 0.4), (9.0, 0.2)]
)
def test_the_p_value_counts_the_val_images_that_are_as_strange(
    brightness: float, p_value: float
) -> None:
    found = judge(table_of(np.array([brightness])), train=TRAIN, val=VAL, rate=0.2)
    assert found.p_values == pytest.approx([p_value])
    assert found.strange.tolist() == [p_value == 0.2]


def test_a_strange_image_is_told_why() -> None:
    found = judge(table_of(np.array([9.0]), confidence=0.0), train=TRAIN, val=VAL, rate=0.2)
    assert found.reasons(0) == ["confidence", "brightness"]


def test_most_training_images_are_within_one_spread_whatever_their_tail() -> None:
    rng = np.random.default_rng(0)
    for values in (rng.normal(size=400), rng.exponential(size=400) ** 3):
        train = table_of(values)
        within = (Scale.of(train).distances(train)["brightness"] <= 1).mean()
        assert within == pytest.approx(0.95, abs=0.005)


def test_high_confidence_is_not_strange() -> None:
    distances = Scale.of(TRAIN).distances(table_of(np.array([2.0]), confidence=9.0))
    assert distances.to_numpy().max() == 0


def test_a_measure_that_is_not_known_says_nothing() -> None:
    found = Scale.of(TRAIN).distances(table_of(np.array([2.0]), pixels=np.nan))
    assert found.to_numpy().max() == 0


def test_a_size_that_no_training_image_has_is_strange() -> None:
    found = judge(table_of(np.array([2.0]), pixels=1.5), train=TRAIN, val=VAL, rate=0.2)
    assert found.reasons(0) == ["pixels"]


def test_too_few_val_images_for_the_rate_are_refused() -> None:
    with pytest.raises(ParamsError, match=r"--rate: found 0\.1, allowed is 0\.2 and more"):
        judge(VAL, train=TRAIN, val=VAL, rate=0.1)


@given(
    val=st.lists(st.floats(-50, 50), min_size=4, max_size=30),
    new=st.lists(st.floats(-50, 50), min_size=1, max_size=10),
    rate=st.floats(0.2, 0.9),
)
def test_an_image_is_strange_exactly_beyond_the_limit(
    val: list[float], new: list[float], rate: float
) -> None:
    found = judge(table_of(np.array(new)), train=TRAIN, val=table_of(np.array(val)), rate=rate)
    assert found.strange.tolist() == (found.strangeness > found.limit).tolist()


def test_images_like_those_of_val_are_strange_as_rarely_as_promised() -> None:
    rng, count = np.random.default_rng(0), 0
    for _ in range(400):
        draws = rng.exponential(size=(3, 39))
        found = judge(
            table_of(draws[0]), train=table_of(draws[1]), val=table_of(draws[2]), rate=0.05
        )
        count += int(found.strange.sum())
    # The expected share is 2 / 40; the sets are independent, their images nearly so.
    assert count / (400 * 39) == pytest.approx(0.05, abs=0.01)


def test_a_set_of_other_brightness_gives_one_alarm_and_the_same_set_none() -> None:
    rng = np.random.default_rng(0)
    val = pd.DataFrame({name: rng.normal(size=60) for name in TAILS})
    other = pd.DataFrame({name: rng.normal(size=40) for name in TAILS})
    assert not [one for one in compare_sets(other, val, rate=0.05) if one.alarm]
    brighter = other.assign(brightness=other["brightness"] + 2)
    alarms = [one for one in compare_sets(brighter, val, rate=0.05) if one.alarm]
    assert [one.measure for one in alarms] == ["brightness"]


def test_any_false_alarm_of_a_set_is_as_rare_as_promised() -> None:
    rng, sets = np.random.default_rng(1), 300
    alarms = 0
    for _ in range(sets):
        val, new = (pd.DataFrame({name: rng.normal(size=30) for name in TAILS}) for _ in range(2))
        alarms += any(one.alarm for one in compare_sets(new, val, rate=0.1))
    assert alarms / sets < 0.1 + 2 * np.sqrt(0.1 * 0.9 / sets)


def test_four_images_are_no_set() -> None:
    assert compare_sets(VAL, VAL, rate=0.05) == []


def test_no_strange_image_of_four_leaves_an_interval_up_to_sixty_percent() -> None:
    found = judge(table_of(np.full(4, 2.0)), train=TRAIN, val=VAL, rate=0.2)
    # One-sided at 2.5 %: 1 - 0.025 ** (1 / 4).
    assert false_alarms(found) == pytest.approx((0.0, 0.0, 0.6024), abs=1e-4)
