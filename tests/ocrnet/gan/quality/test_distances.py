"""KID and FID by hand, in closed form and against the textbook formula."""

import numpy as np
import pytest
import scipy.linalg

from ocrnet.gan.quality.distances import fid, kid, squared_mmd


def gaussian(count: int, dim: int, *, seed: int, shift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(99).normal(size=(dim, dim)) / np.sqrt(dim)
    return np.asarray(rng.normal(size=(count, dim)) @ mix + shift)


def test_the_squared_mmd_of_two_and_two_numbers_by_hand() -> None:
    """With x = 0, 1 and y = 2, 2: k(0,1) = 1, k(2,2) = 125, k(0,2) = 1, k(1,2) = 27: 1 + 125 - 2 * 14 = 98."""
    assert squared_mmd(np.array([[0.0], [1.0]]), np.array([[2.0], [2.0]])) == pytest.approx(98.0)


def test_the_kernel_divides_by_the_number_of_features() -> None:
    """With x = (1,1), (1,-1), y twice 0, D = 2: k(x1,x2) = 1, k(0,0) = 1, k(x,0) = 1. All cancels."""
    x = np.array([[1.0, 1.0], [1.0, -1.0]])
    assert squared_mmd(x, np.zeros((2, 2))) == pytest.approx(0.0)
    # x = (1,1) twice: k = (2/2 + 1)^3 = 8.
    assert squared_mmd(np.ones((2, 2)), np.zeros((2, 2))) == pytest.approx(8 + 1 - 2)


def test_kid_of_one_distribution_is_zero_on_average_and_below_zero_at_times() -> None:
    values = [
        kid(gaussian(24, 8, seed=2 * i), gaussian(24, 8, seed=2 * i + 1), seed=i).mean
        for i in range(60)
    ]
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 3 * error
    assert min(values) < 0 < max(values)


def test_kid_has_no_bias_where_fid_has_one() -> None:
    """The fewer images, the larger the FID of the same two distributions; the KID stays."""
    near = [fid(gaussian(n, 16, seed=1), gaussian(n, 16, seed=2)) for n in (10, 40, 400)]
    assert near[0] > 2 * near[1] > 4 * near[2]
    far = [
        np.mean([
            kid(gaussian(n, 8, seed=i), gaussian(n, 8, seed=50 + i, shift=0.5), seed=0).mean
            for i in range(12)
        ])
        for n in (20, 200)
    ]  # fmt: skip
    assert far[0] == pytest.approx(far[1], rel=0.35)
    assert far[1] > 0.3


def test_kid_takes_half_of_the_smaller_set_and_depends_on_the_seed_alone() -> None:
    real, fake = gaussian(30, 4, seed=0), gaussian(11, 4, seed=1)
    assert kid(real, fake, seed=3) == kid(real, fake, seed=3)
    assert kid(real, fake, seed=3) != kid(real, fake, seed=4)
    assert kid(real, fake, seed=3).sd > 0
    with pytest.raises(ValueError, match="30 and 3 vectors, each set needs four"):
        kid(real, fake[:3], seed=0)


def test_fid_in_one_dimension_is_that_of_two_normal_laws() -> None:
    """(m1 - m2)^2 + (s1 - s2)^2, with sd 1 of -1, 0, 1 and sd 2 of 3, 5, 7: 25 + 1."""
    x, y = np.array([[-1.0], [0.0], [1.0]]), np.array([[3.0], [5.0], [7.0]])
    assert fid(x, y) == pytest.approx(26.0)


@pytest.mark.parametrize(("n", "m", "dim"), [(50, 40, 6), (12, 60, 10), (40, 12, 10)])
def test_fid_agrees_with_the_matrix_root(n: int, m: int, dim: int) -> None:
    x, y = gaussian(n, dim, seed=0), 2 * gaussian(m, dim, seed=1, shift=0.3)
    first, second = np.cov(x.T), np.cov(y.T)
    root = scipy.linalg.sqrtm(first @ second).real
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(first + second - 2 * root)
    assert fid(x, y) == pytest.approx(expected, rel=1e-6)


def test_fid_of_fewer_images_than_features_is_zero_for_equal_sets_and_what_a_shift_makes_it() -> (
    None
):
    x = gaussian(5, 30, seed=0)
    assert fid(x, x) == pytest.approx(0.0, abs=1e-9)
    assert fid(x, x[::-1] + 0.5) == pytest.approx(30 * 0.25)


def test_scaling_of_the_features_scales_fid_by_its_square() -> None:
    x, y = gaussian(20, 5, seed=0), gaussian(20, 5, seed=1, shift=1.0)
    assert fid(3 * x, 3 * y) == pytest.approx(9 * fid(x, y))
