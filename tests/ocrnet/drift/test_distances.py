"""Distances by hand, and against scikit-learn."""

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf  # type: ignore[import-untyped]

from ocrnet.drift.distances import (
    feature_distances,
    neighbour_distances,
    own_feature_distances,
    shrunk_covariance,
)


def test_shares_are_compared_by_half_of_the_sum_of_their_differences() -> None:
    others = np.array([[1.0, 0.0], [0.8, 0.2], [0.6, 0.4], [0.0, 1.0]])
    found = neighbour_distances(np.array([[1.0, 0.0]]), others, own=False)
    assert found == pytest.approx([(0.0 + 0.2 + 0.4) / 3])


def test_a_training_image_is_no_neighbour_of_its_own() -> None:
    others = np.array([[1.0, 0.0], [0.8, 0.2], [0.6, 0.4], [0.0, 1.0]])
    found = neighbour_distances(others, others, own=True)
    assert found[0] == pytest.approx((0.2 + 0.4 + 1.0) / 3)


def test_the_covariance_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    for count, width in ((10, 30), (40, 8)):
        vectors = rng.normal(size=(count, width)) @ rng.normal(size=(width, width))
        centred = vectors - vectors.mean(axis=0)
        expected = LedoitWolf(assume_centered=True).fit(centred).covariance_
        assert shrunk_covariance(centred) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_a_vector_off_the_line_of_the_others_is_farther_than_one_on_it() -> None:
    rng = np.random.default_rng(0)
    along = rng.normal(size=(60, 1)) @ np.array([[1.0, 1.0]]) + 0.01 * rng.normal(size=(60, 2))
    on, off = feature_distances(np.array([[1.0, 1.0], [1.0, -1.0]]), along)
    assert off > 5 * on


def test_a_training_image_counts_like_a_new_one() -> None:
    rng = np.random.default_rng(0)
    vectors, new = rng.normal(size=(50, 100)), rng.normal(size=(200, 100))
    own, other = own_feature_distances(vectors).mean(), feature_distances(new, vectors).mean()
    assert own == pytest.approx(other, rel=0.05)
    assert feature_distances(vectors, vectors).mean() < 0.95 * other


def test_channels_that_never_change_have_no_weight_until_they_do() -> None:
    vectors = np.column_stack([np.random.default_rng(0).normal(size=20), np.ones(20)])
    same, other = feature_distances(np.array([[0.0, 1.0], [0.0, 9.0]]), vectors)
    assert np.isfinite(same)
    assert other > same + 3
