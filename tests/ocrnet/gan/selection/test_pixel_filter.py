"""Thresholds on held-out losses, by hand and against numpy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocrnet.errors import DataError
from ocrnet.gan.selection.pixel_filter import (
    LEAST_PIXELS,
    RESOLUTION,
    LossCounts,
    Threshold,
    cap,
    hardness,
    pixel_losses,
    reject,
)


def held_out(**losses: list[float]) -> LossCounts:
    """Count losses per class: a=[...] are those of class 0, b=[...] those of class 1 and so on."""
    counts = LossCounts(len(losses))
    for class_id, values in enumerate(losses.values()):
        own = np.array([values], dtype=np.float64)
        counts.add(own, np.full(own.shape, class_id, dtype=np.uint8))
    return counts


def threshold(value: float, mean: float = 0.0) -> Threshold:
    return Threshold(value, "held-out", LEAST_PIXELS, mean)


def test_losses_are_the_cross_entropy_of_the_label() -> None:
    probabilities = np.array([[[0.5, 0.9, 0.0]], [[0.5, 0.1, 1.0]]], dtype=np.float32)
    label_map = np.array([[0, 1, 255]], dtype=np.uint8)
    losses = pixel_losses(probabilities, label_map, ignore_index=255)
    assert losses == pytest.approx(np.array([[np.log(2), np.log(10), 0.0]]), rel=1e-6)
    # A probability of 0 is not an infinite loss.
    wrong = pixel_losses(probabilities, np.array([[0, 0, 0]], dtype=np.uint8), ignore_index=255)
    assert wrong[0, 2] == pytest.approx(-np.log(1e-12))


def test_the_threshold_is_the_quantile_of_the_class_itself() -> None:
    """Of 1..400 hundredths, a real rejection of 5 % keeps 380 values: the threshold is 3.80."""
    steps = [i / 100 for i in range(1, 401)]
    easy, hard = held_out(easy=[0.01] * 300, hard=steps).thresholds(0.05)
    assert easy.value == pytest.approx(0.01, rel=RESOLUTION)
    assert hard.value == pytest.approx(3.80, rel=RESOLUTION)
    assert hard.mean == pytest.approx(2.005)
    assert (easy.source, hard.source, hard.pixels) == ("held-out", "held-out", 400)


@given(
    st.lists(st.floats(0.0, 27.0), min_size=LEAST_PIXELS, max_size=LEAST_PIXELS + 50),
    st.floats(0.001, 0.9),
)
@settings(max_examples=40)
def test_the_threshold_agrees_with_numpy_and_keeps_what_it_promises(
    losses: list[float], rejection: float
) -> None:
    (found,) = held_out(only=losses).thresholds(rejection)
    exact = float(np.quantile(losses, 1 - rejection, method="inverted_cdf"))
    below = np.sort([value for value in losses if value < exact])
    # 1 - rejection is rounded, so a quantile that falls on a step may take either side of it.
    least = float(below[-1]) if len(below) else exact
    assert least <= found.value <= max(exact * (1 + RESOLUTION), 1.001e-6)
    above = sum(value > found.value for value in losses)
    assert above <= rejection * len(losses) + 1


def test_a_class_with_too_few_pixels_gets_the_pooled_threshold_with_classes_weighing_the_same() -> (
    None
):
    """A million easy pixels and 200 hard ones weigh the same: the 75 % quantile is the median of the hard ones."""
    counts = held_out(easy=[0.01] * 100_000, hard=[i / 100 for i in range(1, 201)], few=[9.0] * 10)
    easy, hard, few = counts.thresholds(0.25)
    assert few.source == "pooled"
    assert few.pixels == 10
    assert few.value == pytest.approx(1.00, rel=RESOLUTION)
    assert few.mean == pytest.approx((easy.mean + hard.mean) / 2)
    assert (easy.source, hard.source) == ("held-out", "held-out")


def test_without_any_measured_class_there_is_no_threshold() -> None:
    with pytest.raises(DataError, match=r"found \[3, 5\].*Add images"):
        held_out(a=[0.1] * 3, b=[0.1] * 5).thresholds(0.05)


def test_pixels_above_the_threshold_of_their_class_are_rejected() -> None:
    losses = np.array([[0.9, 1.1, 0.9, 1.1, 99.0]])
    label_map = np.array([[0, 0, 1, 1, 255]], dtype=np.uint8)
    wrong = reject(losses, label_map, [threshold(1.0), threshold(0.5)], ignore_index=255)
    assert wrong.tolist() == [[False, True, True, True, False]]


@given(st.lists(st.floats(0.0, 20.0), min_size=LEAST_PIXELS, max_size=LEAST_PIXELS), st.data())
@settings(max_examples=25)
def test_a_stricter_filter_keeps_a_subset(real: list[float], data: st.DataObject) -> None:
    lenient, strict = sorted(data.draw(st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0))))
    painted = np.random.default_rng(0).uniform(0.0, 20.0, (8, 8))
    label_map = np.zeros((8, 8), dtype=np.uint8)
    few, many = (
        reject(painted, label_map, held_out(a=real).thresholds(share), ignore_index=255)
        for share in (lenient, strict)
    )
    assert not (few & ~many).any()


def test_hardness_is_the_mean_expected_loss_of_the_label_map() -> None:
    thresholds = [threshold(1.0, mean=0.1), threshold(1.0, mean=2.1)]
    label_map = np.array([[0, 0, 0, 1, 255]], dtype=np.uint8)
    assert hardness(label_map, thresholds) == pytest.approx((3 * 0.1 + 2.1) / 4)


def test_a_rejection_of_0_is_no_filter() -> None:
    """Real losses end at 0.01, and still the worst loss there is passes: 27.6 of a probability of 0."""
    thresholds = held_out(easy=[0.01] * 300, few=[0.5] * 3).thresholds(0.0)
    worst = -np.log(1e-12)
    label_map = np.array([[0, 1]], dtype=np.uint8)
    found = reject(np.array([[worst, worst]]), label_map, thresholds, ignore_index=255)
    assert not found.any()
    assert thresholds[0].mean == pytest.approx(0.01)


def test_the_cap_raises_the_threshold_of_a_class_that_would_lose_more() -> None:
    """Of losses 1..10 a threshold of 2 rejects eight; at most four of ten means a threshold of 6."""
    painted = held_out(bad=[float(i) for i in range(1, 11)], good=[0.1] * 9 + [3.0])
    bad, good = cap([threshold(2.0), threshold(2.0)], painted, most=[0.4, 0.4])
    assert bad.value == pytest.approx(6.0, rel=RESOLUTION)
    assert bad.calibrated == 2.0
    assert good == threshold(2.0)


@given(st.lists(st.floats(0.0, 27.0), min_size=1, max_size=60), st.floats(0.0, 1.0))
@settings(max_examples=40)
def test_no_class_loses_more_than_the_cap_and_no_pixel_more_than_before(
    losses: list[float], most: float
) -> None:
    own = np.array([losses])
    label_map = np.zeros(own.shape, dtype=np.uint8)
    plain = [threshold(0.5)]
    capped = cap(plain, held_out(a=losses), most=[most])
    before, after = (reject(own, label_map, t, ignore_index=255) for t in (plain, capped))
    assert after.mean() <= most + 1e-9 or before.mean() <= most
    assert not (after & ~before).any()


def test_a_class_that_was_never_painted_keeps_its_threshold() -> None:
    painted = LossCounts(2)
    painted.add(np.array([[9.0]]), np.zeros((1, 1), dtype=np.uint8))
    _, absent = cap([threshold(1.0), threshold(1.0)], painted, most=[0.4, 0.4])
    assert absent == threshold(1.0)
