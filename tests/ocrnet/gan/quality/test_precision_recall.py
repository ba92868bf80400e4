"""Precision, recall, density and coverage on sets small enough to count."""

import numpy as np
import pytest

from ocrnet.gan.quality.precision_recall import precision_recall_density_coverage


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)[:, None]


def test_the_four_shares_counted_by_hand() -> None:
    """Real 0, 1, 2, 10 with k = 1: balls of radius 1, 1, 1 and 8. Fake 1, 1.5, 20, 21: balls of .5, .5, 1, 1.

    1 and 1.5 lie in real balls, 20 and 21 in none (10 + 8 = 18). 1 lies in those of 0, 1 and 2, 1.5 in those of 1
    and 2: density (3 + 2) / 4. All but the ball of 10 hold a fake: 3/4 (10 - 8 = 2 is above 1.5). In fake balls
    lie 1 and 2 (1.5 + .5): recall 2/4.
    """
    found = precision_recall_density_coverage(
        column(0, 1, 2, 10), column(1, 1.5, 20, 21), k=1, density_k=1
    )
    assert found == {"precision": 0.5, "recall": 0.5, "density": 1.25, "coverage": 0.75}


def test_equal_sets_are_precise_and_covered() -> None:
    x = np.random.default_rng(0).normal(size=(20, 3))
    found = precision_recall_density_coverage(x, x)
    assert (found["precision"], found["recall"], found["coverage"]) == (1.0, 1.0, 1.0)
    # A vector lies in its own ball and, on average, in those of five others.
    assert found["density"] == pytest.approx(6 / 5)


def test_a_collapsed_generator_is_precise_without_recall_and_coverage() -> None:
    rng = np.random.default_rng(0)
    real = rng.normal(size=(60, 4))
    collapsed = real[:1] + 1e-3 * rng.normal(size=(60, 4))
    found = precision_recall_density_coverage(real, collapsed)
    assert found["precision"] == 1.0
    assert found["recall"] < 0.05
    assert found["coverage"] < 0.3


def test_precision_and_recall_swap_with_the_sets() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 3)), 0.5 * rng.normal(size=(25, 3))
    there, back = (precision_recall_density_coverage(*pair) for pair in ((x, y), (y, x)))
    assert (there["precision"], there["recall"]) == (back["recall"], back["precision"])


def test_a_set_smaller_than_the_neighbourhood_is_refused() -> None:
    with pytest.raises(ValueError, match="9 and 5 vectors, each set needs more than 5"):
        precision_recall_density_coverage(np.zeros((9, 2)), np.zeros((5, 2)))
