"""Measures of pictures whose values follow by hand."""

import numpy as np
import pytest

from ocrnet.drift.measures import pixel_measures


def filled(value: tuple[int, int, int]) -> np.ndarray:
    return np.full((20, 30, 3), value, np.uint8)


def test_a_flat_gray_picture_has_its_brightness_and_nothing_else() -> None:
    found = pixel_measures(filled((51, 51, 51)))
    assert found == pytest.approx(
        {"brightness": 0.2, "contrast": 0.0, "colourfulness": 0.0, "sharpness": -8.0}, abs=1e-6
    )


def test_pure_red_is_as_bright_as_its_weight_in_the_luma() -> None:
    found = pixel_measures(filled((255, 0, 0)))
    assert found["brightness"] == pytest.approx(0.299, abs=1e-6)
    assert found["colourfulness"] == pytest.approx(1.0)


def test_a_chessboard_of_pixels_is_as_sharp_as_a_picture_can_be() -> None:
    board = (np.indices((40, 40)).sum(axis=0) % 2 * 255).astype(np.uint8)
    found = pixel_measures(np.dstack([board] * 3))
    assert found["contrast"] == pytest.approx(0.5)
    # Inside, each Laplacian is 4 or -4, of variance 16; pixels at the border have a neighbour less.
    assert found["sharpness"] == pytest.approx(np.log10(16), abs=0.1)
