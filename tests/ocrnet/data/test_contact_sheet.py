"""Sheets of pictures that differ in shape: nothing is lost, nothing is stretched, and a JPEG holds every sheet."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocrnet.data.contact_sheet import beside, fit_tile, fitted, under

SHAPES = [(48, 64), (64, 48), (1, 60), (500, 1), (101, 133), (9, 9)]


def picture(shape: tuple[int, int], grey: int) -> np.ndarray:
    return np.full((*shape, 3), grey, np.uint8)


@pytest.mark.parametrize(("one", "other"), list(product(SHAPES, SHAPES)))
def test_pictures_of_any_two_shapes_are_joined_whole_on_white(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    pictures = [picture(one, 10), picture(other, 90)]
    across, down = beside(pictures, gap=3), under(pictures, gap=3)
    assert across.shape == (max(one[0], other[0]), one[1] + other[1] + 6, 3)
    assert down.shape == (one[0] + other[0] + 6, max(one[1], other[1]), 3)
    for sheet in (across, down):
        for shape, grey in ((one, 10), (other, 90)):
            assert np.count_nonzero(sheet[..., 0] == grey) == shape[0] * shape[1]
        assert set(np.unique(sheet)) <= {10, 90, 255}


def test_a_tile_keeps_the_shape_of_its_picture_and_fills_the_box() -> None:
    assert fitted((64, 48), (512, 256)) == (341, 256)
    assert fitted((48, 64), (512, 256)) == (192, 256)
    assert fitted((96, 24), (512, 256)) == (512, 128)
    assert fitted((48, 64), (192, 512), enlarge=False) == (48, 64)
    assert fitted((384, 64), (192, 512), enlarge=False) == (192, 32)
    tile = fit_tile(picture((96, 24), 10), (512, 256))
    assert (tile[:, :128] == 10).all()
    assert (tile[:, 128:] == 255).all()


@pytest.mark.parametrize("shape", [(70_000, 1), (1, 70_000), (65_000, 3)])
def test_a_strip_of_a_picture_has_a_tile_of_at_least_a_pixel_in_the_box(
    shape: tuple[int, int], tmp_path: Path
) -> None:
    """A JPEG has at most 65500 pixels on a side; a sheet of such strips as they are has more."""
    tile = fit_tile(picture(shape, 10), (512, 256))
    assert tile.shape[0] <= 512
    assert tile.shape[1] == 256
    assert (tile == 10).any()
    Image.fromarray(under([tile] * 8)).save(tmp_path / "sheet.jpg")
