"""Entropy, disagreement and the weights of classes, by hand."""

import math

import numpy as np
import pytest

from ocrnet.labelling.uncertainty import (
    balanced_uncertainty,
    class_weights,
    disagreement,
    entropy,
    measure_uncertainty,
)


def pixels(*columns: tuple[float, ...]) -> np.ndarray:
    """Return probabilities (K, 1, W) from those of each pixel."""
    return np.array(columns, dtype=np.float32).T[:, None, :]


def test_entropy_is_that_of_the_formula() -> None:
    found = entropy(pixels((1, 0, 0), (0.5, 0.5, 0), (1 / 3, 1 / 3, 1 / 3)))
    assert found[0] == pytest.approx([0.0, math.log(2) / math.log(3), 1.0])


def test_models_that_doubt_alike_do_not_disagree() -> None:
    """Both doubt the first pixel, each is sure of another class at the second, and one alone doubts the third."""
    one = pixels((0.5, 0.5), (1, 0), (1, 0))
    other = pixels((0.5, 0.5), (0, 1), (0.5, 0.5))
    entropy_of_mean = -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))
    expected = [0.0, 1.0, entropy_of_mean - 0.5]
    assert disagreement([one, other])[0] == pytest.approx(expected, abs=1e-6)
    assert not disagreement([other]).any()


def test_disagreement_is_summed_by_the_class_of_the_mean() -> None:
    one, other = pixels((0.9, 0.1), (1, 0), (0, 1)), pixels((0.9, 0.1), (0.4, 0.6), (0, 1))
    found = measure_uncertainty([one, other])
    assert found.pixels.tolist() == [2, 1]
    assert found.disagreement[0] == pytest.approx(disagreement([one, other])[0, 1])
    assert found.disagreement[1] == 0
    assert found.shares == pytest.approx([2 / 3, 1 / 3])


def test_a_pixel_of_a_rare_class_counts_more_but_all_together_count_as_before() -> None:
    shares = np.array([0.96, 0.04, 0.0])
    weights = class_weights(shares)
    assert weights[1] / weights[0] == pytest.approx(math.sqrt(0.96 / 0.04))
    assert weights[2] == 0
    assert (weights * shares).sum() == pytest.approx(1.0)


def test_doubt_about_a_rare_class_comes_before_the_same_doubt_about_a_common_one() -> None:
    sure, unsure = (1.0, 0.0), (0.6, 0.4)
    rare, rare_unsure = (0.0, 1.0), (0.4, 0.6)
    of_common = measure_uncertainty(
        [pixels(sure, sure, sure, rare), pixels(unsure, sure, sure, rare)]
    )
    of_rare = measure_uncertainty(
        [pixels(sure, sure, sure, rare), pixels(sure, sure, sure, rare_unsure)]
    )
    assert of_common.disagreement.sum() == pytest.approx(of_rare.disagreement.sum())
    first, second = balanced_uncertainty([of_common, of_rare])
    assert second / first == pytest.approx(math.sqrt(3))
