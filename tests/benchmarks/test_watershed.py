"""The watershed of a label map, and the table of the ways to objects."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.object_rivals import row_of, score_ways
from benchmarks.watershed import split_mask, watershed_objects
from ocrnet.bundles.card import ModelCard
from ocrnet.evaluation.scored_split import read_test_split
from ocrnet.inference.predict import Segmenter
from tests.ocrnet.conftest import CLASSES, write_toy_set
from tests.ocrnet.evaluation.things import add_things
from tests.ocrnet.toy_models import ColourNet


def disc(row: int, column: int, radius: float, size: tuple[int, int] = (40, 60)) -> np.ndarray:
    rows, columns = np.indices(size)
    found: np.ndarray = (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
    return found


def test_discs_that_touch_are_split_between_their_middles() -> None:
    left, right = disc(20, 18, 10), disc(20, 34, 10)
    numbers = split_mask(left | right)
    assert set(np.unique(numbers)) == {0, 1, 2}
    assert np.array_equal(numbers > 0, left | right)
    assert (numbers[left & (np.indices(left.shape)[1] < 25)] == numbers[20, 18]).all()
    assert (numbers[right & (np.indices(left.shape)[1] > 27)] == numbers[20, 34]).all()


@pytest.mark.parametrize("mask", [disc(20, 18, 10), disc(3, 3, 9), np.ones((40, 60), bool)])
def test_what_is_one_disc_or_covers_the_image_is_not_lost(mask: np.ndarray) -> None:
    numbers = split_mask(mask)
    assert np.array_equal(numbers > 0, mask)
    if mask.mean() < 1:
        assert numbers.max() == 1


def test_a_small_component_beside_a_large_one_is_an_object() -> None:
    mask = disc(20, 18, 10)
    mask[20, 30:32] = True
    numbers = split_mask(mask)
    assert numbers.max() == 2
    assert numbers[20, 30] == numbers[20, 31] != numbers[20, 18]


def test_classes_are_apart_and_small_objects_are_left_out() -> None:
    first, second = disc(20, 15, 9), disc(20, 34, 9)
    label_map = first * 1 + second * 2
    label_map[1, 1] = 2
    probabilities = np.stack([label_map == 0, label_map == 1, label_map == 2]) * 0.8 + 0.1
    found = watershed_objects(probabilities.astype(np.float32), (1, 2), min_area=2)
    assert found.class_ids.tolist() == [1, 2]
    assert found.areas.tolist() == [int(first.sum()), int(second.sum())]
    np.testing.assert_allclose(found.scores, 0.9, rtol=1e-6)
    least = int(first.sum())  # an object of just this area stays
    assert len(watershed_objects(probabilities.astype(np.float32), (1,), min_area=least)) == 1
    assert not len(watershed_objects(np.ones((3, 8, 8), np.float32), (1, 2)))


def test_each_way_is_scored_on_the_same_images(tmp_path: Path) -> None:
    prepared = write_toy_set(tmp_path, counts={"train": 1, "val": 1, "test": 2}, size=(50, 70))
    add_things(prepared, CLASSES.class_names[1:])
    card = ModelCard("ocrnet", {}, CLASSES, mean=(0.0,) * 3, std=(1.0,) * 3)
    tallies = score_ways(read_test_split(prepared), Segmenter(ColourNet(), card), min_area=4)
    assert list(tallies) == ["heads", "components", "watershed"]
    # A model without heads has components.
    assert row_of("x", tallies["heads"]) == row_of("x", tallies["components"])
    assert {len(one.images) for one in tallies.values()} == {2}
