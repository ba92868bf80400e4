"""Intervals of the scores of objects."""

import numpy as np
import pytest

from ocrnet.evaluation.object_bootstrap import compare_counts, estimate_counts
from ocrnet.objects.curves import average_precision, panoptic_quality, unit_counts
from tests.ocrnet.evaluation.evaluated import (
    params_of,
)
from tests.ocrnet.evaluation.things import half_found
from tests.ocrnet.objects.test_scores import scene


def test_a_difference_is_paired_and_needs_six_images() -> None:
    params = params_of(evaluate={"bootstrap": 400}).evaluate
    better, worse = unit_counts(half_found(40, 36)), unit_counts(half_found(40, 12))
    found = compare_counts([better], [worse], params)
    # PQ of f of 40: f / (f + (40 - f) / 2). AP50: the recalls up to f / 40, of 101.
    assert found["pq"]["value"] == pytest.approx(36 / 38 - 12 / 26)
    assert found["ap50"]["value"] == pytest.approx((91 - 31) / 101)
    for name in ("pq", "ap50"):
        assert 0 < found[name]["low"] < found[name]["value"] < found[name]["high"]
    same = compare_counts([better], [better], params)
    assert [same["pq"][end] for end in ("value", "low", "high")] == [0, 0, 0]
    few = compare_counts([unit_counts(half_found(5, 5))], [unit_counts(half_found(5, 1))], params)
    assert few["pq"]["value"] > 0
    assert np.isnan(few["pq"]["low"])


def test_one_better_image_of_seven_is_no_evidence() -> None:
    params = params_of(evaluate={"bootstrap": 400}).evaluate
    found = compare_counts([unit_counts(half_found(7, 5))], [unit_counts(half_found(7, 4))], params)
    assert found["pq"]["low"] <= 0 < found["pq"]["value"]


def test_the_spread_of_seeds_widens_the_interval() -> None:
    params = params_of(evaluate={"bootstrap": 400}).evaluate
    worse = unit_counts(half_found(40, 12))
    one, two = unit_counts(half_found(40, 38)), unit_counts(half_found(40, 30))
    single, both = (
        compare_counts(seeds, [worse] * len(seeds), params) for seeds in ([one], [one, two])
    )
    assert both["pq"]["low"] < single["pq"]["low"]


def test_an_estimate_is_the_score_of_the_split() -> None:
    counts = unit_counts([scene(seed) for seed in range(8)])
    ones = np.ones((1, 8))
    found = estimate_counts(counts, resamples=200, confidence=0.95, seed=0)
    assert found["ap50"]["value"] == pytest.approx(average_precision(counts, ones).mean())
    assert found["pq"]["value"] == pytest.approx(panoptic_quality(counts, ones).mean())
    assert found["pq"]["low"] < found["pq"]["value"] < found["pq"]["high"]
