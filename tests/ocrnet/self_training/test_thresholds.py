"""Thresholds and weights of pseudo-labels: by hand, and the rare class that must not be shut out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ocrnet.data.pixel_weights import FULL_WEIGHT
from ocrnet.self_training.thresholds import (
    BINS,
    ClassRule,
    ConfidenceCounts,
    predictions,
    pseudo_label_map,
)

IGNORED = 255
Group = tuple[int, float, int, int]  # predicted class, confidence, pixels, right ones among them


def image_of(
    groups: list[Group], num_classes: int
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Return probabilities and label map of one row of pixels; a wrong pixel is of the next class."""
    columns, labels = [], []
    for predicted, confidence, pixels, right in groups:
        column = np.full(num_classes, (1 - confidence) / (num_classes - 1))
        column[predicted] = confidence
        columns += [column] * pixels
        labels += [predicted] * right + [(predicted + 1) % num_classes] * (pixels - right)
    return np.stack(columns, axis=1)[:, None], np.array([labels], np.uint8)


def rules_of(
    groups: list[Group], *, precision: float, class_share: float, num_classes: int = 3
) -> list[ClassRule]:
    counts = ConfidenceCounts(num_classes, ignore_index=IGNORED)
    counts.add(*image_of(groups, num_classes))
    return counts.rules(precision=precision, class_share=class_share)


# Right from each confidence on: 100 of 100, 190 of 200 (0.95), 240 of 300 (0.8), 250 of 400 (0.625).
STAIRS = [(1, 0.9505, 100, 100), (1, 0.8505, 100, 90), (1, 0.7505, 100, 50), (1, 0.6505, 100, 10)]


@pytest.mark.parametrize(
    ("precision", "class_share", "threshold", "kept", "right"),
    [
        (0.9, 0.0, 0.85, 0.5, 0.95),
        (0.95, 0.0, 0.85, 0.5, 0.95),
        (0.96, 0.0, 0.95, 0.25, 1.0),
        (0.6, 0.0, 0.65, 1.0, 0.625),
        (0.96, 0.6, 0.75, 0.75, 0.8),  # 240 of 400 pixels, whatever their precision
        (0.6, 0.1, 0.65, 1.0, 0.625),  # a share never takes pixels away
    ],
)
def test_a_class_keeps_the_most_pixels_that_are_right_often_enough(
    precision: float, class_share: float, threshold: float, kept: float, right: float
) -> None:
    rule = rules_of(STAIRS, precision=precision, class_share=class_share)[1]
    assert (rule.threshold, rule.kept, rule.source, rule.pixels) == (threshold, kept, "own", 400)
    assert rule.precision == pytest.approx(right)


def test_a_class_that_is_never_right_often_enough_is_shut_out_by_the_precision_alone() -> None:
    groups = [(0, 0.9905, 900, 899), (2, 0.6505, 150, 60), (2, 0.5505, 150, 30)]
    floor, _, rare = rules_of(groups, precision=0.9, class_share=0.0)
    assert (floor.kept, rare.kept, rare.least_bin) == (1.0, 0.0, BINS)
    floor, _, rare = rules_of(groups, precision=0.9, class_share=0.2)
    assert (floor.threshold, rare.threshold, rare.kept) == (0.99, 0.65, 0.5)
    # Its pixels weigh what they are worth: 60 of 150 are right.
    assert rare.weights[650] == round(FULL_WEIGHT * 0.4)


def test_no_share_keeps_a_class_that_is_less_likely_than_all_others_together() -> None:
    rare = rules_of([(2, 0.4005, 300, 0)], precision=0.9, class_share=1.0)[2]
    assert (rare.threshold, rare.kept) == (0.5, 0.0)


def test_a_class_with_few_pixels_gets_the_pooled_rule_of_classes_that_count_alike() -> None:
    # Of 300 pixels of one class all are right, of 3000 of another none: together half, not a tenth.
    groups = [(0, 0.9005, 300, 300), (1, 0.9005, 3000, 0), (2, 0.6005, 10, 0)]
    for precision, threshold in ((0.49, 0.9), (0.51, 1.0)):
        few = rules_of(groups, precision=precision, class_share=0.0)[2]
        assert (few.threshold, few.source, few.pixels) == (threshold, "pooled", 10)
    assert few.weights[900] == round(FULL_WEIGHT * 0.5)


def test_weights_rise_with_the_confidence_and_are_shares_of_right_pixels() -> None:
    # Of 0.65 half are right, of 0.75 three tenths: together four tenths, since more confidence is no less.
    groups = [(1, 0.6505, 100, 50), (1, 0.7505, 100, 30), (1, 0.9505, 100, 100)]
    weights = rules_of(groups, precision=0.9, class_share=0.5)[1].weights
    assert weights[[650, 700, 750, 850, 950]].tolist() == [102, 102, 102, 178, 255]
    nothing = rules_of([(1, 0.9505, 300, 0)], precision=0.0, class_share=0.0)[1]
    assert nothing.weights.min() == 1, "a weight of 0 marks an ignored pixel"


def test_a_map_keeps_by_the_rule_of_the_predicted_class() -> None:
    full = np.full(BINS, 200, np.uint8)
    rules = [ClassRule(least, full, "own", 1, 1.0, 1.0) for least in (900, 600, BINS)]
    probabilities, _ = image_of(
        [(0, 0.8995, 1, 1), (0, 0.9005, 1, 1), (1, 0.6005, 1, 1), (2, 1.0, 1, 1)], 3
    )
    labels, weights = pseudo_label_map(probabilities, rules, ignore_index=IGNORED)
    assert labels.tolist() == [[IGNORED, 0, 1, IGNORED]]
    assert weights.tolist() == [[0, 200, 200, 0]]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), share=st.floats(0.05, 1.0), precision=st.floats(0.0, 1.0))
def test_every_measured_class_that_is_likely_keeps_its_share(
    seed: int, share: float, precision: float
) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.uniform(0.05, 0.25, (3, 30, 40))
    winner = rng.integers(0, 3, (30, 40))
    np.put_along_axis(probabilities, winner[None], rng.uniform(0.55, 1.0, (1, 30, 40)), axis=0)
    counts = ConfidenceCounts(3, ignore_index=IGNORED)
    label_map = rng.integers(0, 3, (30, 40)).astype(np.uint8)
    label_map[:2] = IGNORED
    counts.add(probabilities, label_map)
    rules = counts.rules(precision=precision, class_share=share)
    kept = pseudo_label_map(probabilities, rules, ignore_index=IGNORED)[0]
    classes, _ = predictions(probabilities)
    for class_id, rule in enumerate(rules):
        own = (classes == class_id) & (label_map != IGNORED)
        assert (kept[own] == class_id).mean() >= share - 1e-9
        assert rule.kept == pytest.approx((kept[own] != IGNORED).mean())
        assert rule.pixels == own.sum()
        assert (np.diff(rule.weights.astype(int)) >= 0).all()
