"""Objects from maps of heat, sides, queries and keys."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from ocrnet.models.attention_heads import (
    EMBEDDING,
    QUERY,
    Detections,
    join_detections,
    mask_logits,
)
from ocrnet.objects.attention import Peaks, attended_objects, find_peaks, masks

COUNT = 2 + 4 + QUERY + EMBEDDING
ELLIPSE = (2, 0, 0, -2, -2)


def side_of(pixels: float) -> float:
    """Return what a head gives for a way of so many pixels."""
    return float(np.log(np.expm1(pixels / 16)))


def maps_of(
    *objects: tuple[int, int, float, float], grid: tuple[int, int] = (16, 24)
) -> np.ndarray:
    """Return maps with objects of class 1: row and column of the cell, heat, half side in pixels."""
    maps = np.zeros((COUNT, *grid), np.float32)
    maps[:2] = -9
    maps[2:6] = side_of(4)
    maps[6 + EMBEDDING : 6 + QUERY] = np.array(ELLIPSE)[:, None, None]
    for row, column, heat, half in objects:
        maps[1, row, column] = np.log(heat / (1 - heat))
        maps[2:6, row, column] = side_of(half)
    return maps


def probabilities_of(label_map: np.ndarray) -> np.ndarray:
    return np.stack([label_map == 0, label_map == 1]).astype(np.float32)


def cells(maps: np.ndarray, pixels: float = 2.0) -> Detections:
    return Detections(maps, (pixels, pixels), (1.0, 1.0))


def test_two_discs_that_touch_are_two_objects_with_their_pixels() -> None:
    found_cells, half = ((8, 6), (8, 14)), 8.0
    rows, columns = np.indices((32, 48))
    discs = [
        (rows - 2 * row - 0.5) ** 2 + (columns - 2 * column - 0.5) ** 2 < half**2
        for row, column in found_cells
    ]
    label_map = (discs[0] | discs[1]).astype(np.uint8)
    maps = maps_of((8, 6, 0.9, half), (8, 14, 0.8, half))
    found = attended_objects(probabilities_of(label_map), cells(maps), (1,))
    np.testing.assert_array_equal(found.mask(0), discs[0])
    np.testing.assert_array_equal(found.mask(1), discs[1])
    assert found.class_ids.tolist() == [1, 1]
    # The mask of the ellipse, from 1/2 at its edge to sigmoid(2) at its middle.
    assert 0.9 * 0.5 < found.scores[0] < 0.9 * 0.881
    np.testing.assert_allclose(found.scores[0] / found.scores[1], 0.9 / 0.8, rtol=1e-5)


def test_a_second_peak_in_an_object_is_left_out_and_one_outside_the_label_map_too() -> None:
    maps = maps_of((8, 8, 0.9, 8), (8, 10, 0.8, 7), (2, 20, 0.8, 4))
    label_map = np.zeros((32, 48), np.uint8)
    label_map[:, :40] = 1
    found = attended_objects(probabilities_of(label_map), cells(maps), (1,))
    assert len(found) == 1
    small = attended_objects(probabilities_of(label_map), cells(maps), (1,), min_area=300)
    assert len(small) == 0


def test_the_hotter_of_neighbouring_cells_of_a_class_is_a_peak() -> None:
    maps = maps_of((4, 4, 0.7, 4), (5, 5, 0.8, 4), (4, 7, 0.6, 4), (15, 23, 0.9, 4), (0, 0, 0.2, 4))
    maps[0, 4, 4] = 2.0
    size = (30, 48)  # the last row of cells lies in what the image was padded by
    peaks = find_peaks(cells(maps), (0, 1), size)
    assert [(int(k), *map(int, cell)) for k, cell in zip(peaks.class_ids, peaks.cells, strict=True)] == [
        (0, 4, 4), (1, 5, 5), (1, 4, 7),
    ]  # fmt: skip
    assert find_peaks(cells(maps), (1,), size).class_ids.tolist() == [1, 1]


def test_without_a_peak_components_are_objects() -> None:
    label_map = np.zeros((32, 48), np.uint8)
    label_map[2:5, 2:5] = label_map[10:, 20:] = 1
    found = attended_objects(probabilities_of(label_map), cells(maps_of()), (1,))
    assert found.areas.tolist() == [9, 22 * 28]


def test_the_result_grows_with_the_image() -> None:
    """At twice the size, boxes and masks are twice as large."""
    maps = maps_of((8, 8, 0.9, 8))
    size = (32, 48)
    ones = np.ones(size, np.uint8)
    small = attended_objects(probabilities_of(ones), cells(maps), (1,))
    large = attended_objects(
        probabilities_of(ones.repeat(2, axis=0).repeat(2, axis=1)),
        Detections(maps, (4.0, 4.0), (2.0, 2.0)), (1,),
    )  # fmt: skip
    assert abs(large.areas[0] / small.areas[0] - 4) < 0.1


@given(st.integers(0, 10**6), st.sampled_from([1.0, 2.0, 1.5, 4.0]))
@settings(max_examples=25, deadline=None)
def test_masks_are_those_that_training_compares(seed: int, pixels: float) -> None:
    """The product of training, with torch's bilinear sampling of keys, on the same pixels."""
    rng = np.random.default_rng(seed)
    maps = rng.normal(size=(COUNT, 6, 7)).astype(np.float32)
    cell = rng.integers(0, (6, 7))
    size = (int(6 * pixels), int(7 * pixels))
    detections = Detections(maps, (size[0] / 6, size[1] / 7), (1.0, 1.0))
    peaks = Peaks(np.array([1]), cell[None], np.array([0.5]))
    (((rows, columns), found),) = masks(detections, peaks, size)
    sides = 16 * np.logaddexp(0, maps[2:6, *cell].astype(np.float64))
    at = (cell + 0.5) * np.array(detections.cell) - 0.5
    middle, half = at + (sides[2:] - sides[:2]) / 2, (sides[2:] + sides[:2]) / 2
    pixel = np.stack(
        np.meshgrid(np.arange(size[0])[rows], np.arange(size[1])[columns], indexing="ij")
    )
    places = (pixel - middle[:, None, None]) / half[:, None, None]
    assert (np.abs(places) <= 1.5 + 1e-6).all() or min(found.shape) == 1
    shares = torch.from_numpy((2 * (pixel + 0.5) / np.array(size)[:, None, None] - 1)[::-1].copy())
    keys = F.grid_sample(
        torch.from_numpy(maps[-EMBEDDING:])[None].double(), shares.permute(1, 2, 0)[None],
        mode="bilinear", padding_mode="border", align_corners=False,
    )  # fmt: skip
    query = torch.from_numpy(maps[6 : 6 + QUERY, *cell]).double()[None]
    expected = torch.sigmoid(mask_logits(query, keys, torch.from_numpy(places)[None]))[0]
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-6)


@given(st.integers(0, 10**6), st.integers(2, 4))
@settings(max_examples=20, deadline=None)
def test_a_mask_of_several_networks_has_the_mean_of_their_logits(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    maps = rng.normal(size=(count, COUNT, 6, 7)).astype(np.float32)
    maps[:, 2:6] = maps[0, 2:6]  # with one box the masks are of the same pixels
    cell = rng.integers(0, (6, 7))
    peaks, size = Peaks(np.array([1]), cell[None], np.array([0.5])), (18, 21)
    members = [Detections(one, (3.0, 3.0), (1.0, 1.0)) for one in maps]
    joined = join_detections(members)
    assert joined is not None
    np.testing.assert_allclose(joined.maps[:6], maps[:, :6].mean(axis=0), rtol=1e-5, atol=1e-6)
    ((window, found),) = masks(joined, peaks, size)
    logits = []
    for member in members:
        ((own, mask),) = masks(member, peaks, size)
        assert own == window
        logits.append(np.log(mask / (1 - mask)))
    np.testing.assert_allclose(np.log(found / (1 - found)), np.mean(logits, axis=0), atol=1e-3)


def test_networks_on_other_cells_are_not_joined() -> None:
    one, other = cells(maps_of()), cells(maps_of(grid=(8, 24)))
    assert join_detections([one, other]) is None
    assert join_detections([one, cells(maps_of(), 4.0)]) is None


def test_an_object_that_one_of_two_networks_sees_needs_its_certainty() -> None:
    """The mean of the logits of 0.99 and 0.01 is 1/2, that of 0.8 and 0.01 is below the threshold."""
    ones = np.ones((32, 48), np.uint8)
    blind = maps_of((8, 8, 0.01, 8))
    for heat, count in ((0.99, 1), (0.8, 0)):
        joined = join_detections([cells(maps_of((8, 8, heat, 8))), cells(blind)])
        assert joined is not None
        assert len(find_peaks(joined, (1,), ones.shape).heat) == count
