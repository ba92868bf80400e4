"""Regions and the pixels that they cover."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from ocrnet.raw.annotations.rasterize import (
    Region,
    Runs,
    covered_by,
    draw_label_map,
    runs_of,
    unpack,
)

SQUARE = (1.0, 1.0, 4.0, 1.0, 4.0, 3.0, 1.0, 3.0)  # columns 1 to 3, rows 1 and 2


def box(left: float, top: float, right: float, bottom: float, name: str = "cell") -> Region:
    outline = tuple(map(float, (left, top, right, top, right, bottom, left, bottom)))
    return Region(name, (outline,))


def draw(*regions: tuple[Region, int], overlap: str = "area") -> Any:
    return draw_label_map(
        regions, (4, 5), background=0, ignore_index=255, overlap=overlap  # type: ignore[arg-type]
    ).tolist()  # fmt: skip


def test_an_outline_covers_the_pixels_inside_it() -> None:
    expected = np.zeros((5, 6), dtype=bool)
    expected[1:3, 1:4] = True
    assert np.array_equal(covered_by(Region("cell", (SQUARE,)), (5, 6)), expected)


def test_a_region_is_the_union_of_its_outlines() -> None:
    both = Region("cell", (SQUARE, (0.0, 0.0, 2.0, 0.0, 2.0, 2.0, 0.0, 2.0)))
    assert covered_by(both, (5, 6)).sum() == 6 + 4 - 1


@pytest.mark.parametrize("far", [50.0, 1e9])
def test_an_outline_that_leaves_the_image_is_cut_off(far: float) -> None:
    region = Region("cell", ((2.0, -far, far, -far, far, far, 2.0, far),))
    covered = covered_by(region, (5, 6))
    assert covered[:, 2:].all()
    assert not covered[:, :2].any()


def test_an_outline_of_two_points_covers_nothing() -> None:
    assert not covered_by(Region("cell", ((0.0, 0.0, 4.0, 4.0),)), (5, 6)).any()


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**32), st.floats(0, 1))
def test_run_lengths_are_those_of_pycocotools(
    height: int, width: int, seed: int, share: float
) -> None:
    size = (height, width)
    mask = np.random.default_rng(seed).random(size) < share
    coded = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    text = coded["counts"]
    assert unpack(text) == runs_of(mask).counts
    for counts in (text, runs_of(mask).counts):
        assert np.array_equal(covered_by(Region("cell", runs=Runs(counts, size)), size), mask)


@pytest.mark.parametrize("counts", ["0", "zzzz", "é", "P" * 30, (3, 4), (10, -2, 12), ()])
def test_run_lengths_of_another_number_of_pixels_are_refused(counts: str | tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="run lengths"):
        covered_by(Region("cell", runs=Runs(counts, (4, 5))), (4, 5))


def test_run_lengths_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="4x5"):
        covered_by(Region("cell", runs=Runs((20,), (4, 5))), (5, 4))


def test_the_smaller_object_is_on_top_or_the_later_one() -> None:
    small, large = (box(1, 1, 3, 3), 1), (box(0, 0, 5, 4), 2)
    hidden = [[2] * 5] * 4
    shown = [[2, 2, 2, 2, 2], [2, 1, 1, 2, 2], [2, 1, 1, 2, 2], [2, 2, 2, 2, 2]]
    assert draw(small, large) == draw(large, small) == shown
    assert draw(small, large, overlap="order") == hidden
    assert draw(large, small, overlap="order") == shown


def test_a_crowd_is_ignored_where_no_object_is() -> None:
    crowd = Region("cell", box(0, 0, 5, 2).outlines, is_crowd=True)
    assert draw((box(0, 0, 2, 1), 1), (crowd, 255)) == [
        [1, 1, 255, 255, 255],
        [255] * 5,
        [0] * 5,
        [0] * 5,
    ]
