"""Class weights by hand."""

import numpy as np
import pytest

from ocrnet.imbalance import class_weights

COUNTS = np.array([64, 16, 0, 1])


def test_none_is_no_weight() -> None:
    assert class_weights("none", COUNTS) is None


def test_inverse_root_frequency_has_mean_one_and_spares_absent_classes() -> None:
    weights = class_weights("inverse", COUNTS)
    assert weights is not None
    raw = np.array([1 / 8, 1 / 4, 1.0])
    np.testing.assert_allclose(weights, np.insert(raw / raw.mean(), 2, 1.0), rtol=1e-6)


def test_median_frequency() -> None:
    weights = class_weights("median", COUNTS)
    assert weights is not None
    raw = np.array([16 / 64, 1.0, 16.0])
    np.testing.assert_allclose(weights, np.insert(raw / raw.mean(), 2, 1.0), rtol=1e-6)


def test_rare_classes_weigh_more_by_effective_number_too() -> None:
    weights = class_weights("effective", np.array([10_000_000, 100_000, 1_000]))
    assert weights is not None
    assert weights[0] < weights[1] < weights[2]


def test_an_unknown_scheme_is_named() -> None:
    with pytest.raises(ValueError, match=r"'sqrt' is unknown\. Known: none"):
        class_weights("sqrt", COUNTS)
