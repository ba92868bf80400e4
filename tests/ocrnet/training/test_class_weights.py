"""Class weights by hand: mean 1 over the classes present, and what each scheme makes of counts."""

from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest

from ocrnet.config import TrainParams
from ocrnet.training.class_weights import SCHEMES, class_weights

COUNTS = np.array([64, 16, 0, 1])  # 81 pixels


def with_mean_one(*raw: float) -> npt.NDArray[np.float64]:
    """Scale the weights of classes 0, 1 and 3; class 2 is absent."""
    return np.insert(np.array(raw) / np.mean(raw), 2, 1.0)


def weights_of(scheme: str, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    weights = class_weights(scheme, counts)
    assert weights is not None
    assert weights.dtype == np.float32
    return weights.astype(np.float64)


def test_none_is_no_weight() -> None:
    assert class_weights("none", COUNTS) is None


def test_inverse_frequency() -> None:
    np.testing.assert_allclose(
        weights_of("inverse", COUNTS), with_mean_one(1 / 64, 1 / 16, 1.0), rtol=1e-6
    )


def test_inverse_root_frequency() -> None:
    np.testing.assert_allclose(
        weights_of("inverse_sqrt", COUNTS), with_mean_one(1 / 8, 1 / 4, 1.0), rtol=1e-6
    )


def test_median_frequency_takes_shares_of_the_images_that_show_a_class() -> None:
    """Class 1 has 4 pixels of 20, class 3 has 4 of the 10 of its only image; the median share is 0.4."""
    images = np.array([[8, 2, 0, 0], [4, 2, 0, 4]])
    shares = [12 / 20, 4 / 20, 4 / 10]
    np.testing.assert_allclose(
        weights_of("median", images),
        with_mean_one(*(0.4 / share for share in shares)),
        rtol=1e-6,
    )
    inverse = weights_of("inverse", images)
    assert inverse[1] == inverse[3]  # 4 pixels each


def test_effective_number() -> None:
    """Of 1 pixel it is 1, of 2 it is 1 + beta, of 3 it is 1 + beta + beta^2."""
    beta = 0.999999
    np.testing.assert_allclose(
        weights_of("effective", np.array([1, 2, 0, 3])),
        with_mean_one(1.0, 1 / (1 + beta), 1 / (1 + beta + beta**2)),
        rtol=1e-6,
    )


def test_effective_number_no_longer_tells_classes_of_many_pixels_apart() -> None:
    weights = weights_of("effective", np.array([10**9, 10**8, 1_000]))
    assert weights[0] == pytest.approx(weights[1], rel=1e-6)
    assert weights[2] > 100 * weights[1]


@pytest.mark.parametrize("scheme", SCHEMES)
class TestEveryScheme:
    def test_the_mean_over_present_classes_is_one_and_rare_weighs_more(self, scheme: str) -> None:
        weights = weights_of(scheme, np.array([[5_000_000, 40_000, 0, 300]]))
        assert weights[[0, 1, 3]].mean() == pytest.approx(1, rel=1e-6)
        assert weights[2] == 1
        assert weights[0] < weights[1] < weights[3]

    def test_equal_classes_weigh_one(self, scheme: str) -> None:
        np.testing.assert_allclose(weights_of(scheme, np.full((3, 4), 7)), 1.0, rtol=1e-6)

    def test_images_without_any_valid_pixel_change_nothing(self, scheme: str) -> None:
        images = np.array([[8, 2, 1], [4, 2, 4]])
        empty = np.array([[0, 0, 0]])
        np.testing.assert_array_equal(
            weights_of(scheme, images), weights_of(scheme, np.concatenate([images, empty]))
        )
        np.testing.assert_array_equal(weights_of(scheme, empty), 1.0)


def test_params_offer_what_there_is() -> None:
    annotation = TrainParams.model_fields["class_weights"].annotation
    assert set(get_args(annotation)) == {"none", *SCHEMES}


def test_an_unknown_scheme_is_named() -> None:
    with pytest.raises(ValueError, match=r"'sqrt' is unknown\. Known: none, inverse"):
        class_weights("sqrt", COUNTS)
