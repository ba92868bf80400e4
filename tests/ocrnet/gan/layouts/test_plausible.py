"""What a layout may show of sizes, where the training label maps are full of specks as real ones are."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from ocrnet.config import SynthesizeParams
from ocrnet.gan.layouts.catalog import Catalog
from ocrnet.gan.layouts.compose import Layout, apply_steps
from ocrnet.gan.layouts.draw import draw_layout
from ocrnet.gan.layouts.operations.interface import LayoutInputs
from ocrnet.gan.layouts.plausible import is_plausible, specks_of
from ocrnet.gan.layouts.sampling_weights import SamplingWeights
from ocrnet.runtime import layout_seed
from tests.base_params import section_with
from tests.ocrnet.gan.street import BIRD, CAR, GROUND, HORIZON, SHAPE, SKY, write_street

LEAST, MOST = 12, 30  # of a car: 3 x 4 and 5 x 6 pixels
SPECKS = 6  # of cars, per scene
LabelMap = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return Catalog(write_street(tmp_path_factory.mktemp("speckled") / "prepare", specks=SPECKS))


def bare(horizon: int = HORIZON) -> LabelMap:
    label_map = np.full(SHAPE, GROUND, dtype=np.uint8)
    label_map[:horizon] = SKY
    return label_map


def specks_in(label_map: LabelMap) -> npt.NDArray[np.bool_]:
    """Return the pixels of cars that stand alone, by other code than the check's."""
    own = label_map == CAR
    neighbours = ndimage.convolve(own.astype(int), np.ones((3, 3), dtype=int), mode="constant")
    return np.asarray(own & (neighbours == 1))


def test_specks_do_not_say_how_small_an_object_may_be(catalog: Catalog) -> None:
    assert catalog.areas(CAR) == (LEAST, MOST)
    label_map = catalog.label_map("train_00")
    assert specks_in(label_map).sum() == SPECKS
    assert np.array_equal(specks_of(catalog, label_map), specks_in(label_map))


def test_every_training_label_map_is_plausible_as_it_is_and_mirrored(catalog: Catalog) -> None:
    for image_id in catalog.ids:
        for label_map in (catalog.label_map(image_id), catalog.label_map(image_id)[:, ::-1]):
            assert is_plausible(catalog, label_map, specks=specks_of(catalog, label_map))
            # Specks are those of the label map that a layout is made from: elsewhere they are new.
            assert not is_plausible(catalog, label_map)


@settings(max_examples=60)
@given(st.integers(1, 7), st.integers(1, 9), st.integers(HORIZON + 1, 40), st.integers(0, 46))
def test_a_new_car_is_of_a_size_that_cars_have(
    catalog: Catalog, height: int, width: int, top: int, left: int
) -> None:
    label_map = bare()
    label_map[top : top + height, left : left + width] = CAR
    assert is_plausible(catalog, label_map) == (LEAST <= height * width <= MOST)


@settings(max_examples=40)
@given(st.sampled_from([f"train_{i:02d}" for i in range(9)]), st.integers(0, 6), st.integers(0, 6))
def test_a_bit_that_is_left_of_a_car_is_no_speck_of_the_annotation(
    catalog: Catalog, image_id: str, rows: int, columns: int
) -> None:
    """Ground over the first rows and columns of the car: what is left is a car of its own size, or nothing."""
    label_map = catalog.label_map(image_id).copy()
    specks = specks_of(catalog, label_map)
    y, x = np.nonzero((label_map == CAR) & ~specks)
    label_map[y.min() : y.min() + rows, x.min() : x.max() + 1] = GROUND
    label_map[y.min() : y.max() + 1, x.min() : x.min() + columns] = GROUND
    left = int(((label_map == CAR) & ~specks).sum())
    assert is_plausible(catalog, label_map, specks=specks) == (left == 0 or left >= LEAST)


@given(st.integers(12, 36))
def test_no_surface_is_larger_than_the_data_shows_it_without_objects(
    catalog: Catalog, horizon: int
) -> None:
    """Each image has a car, so bare ground is larger than any seen; with another horizon it or the sky is larger."""
    assert is_plausible(catalog, bare(horizon)) == (horizon == HORIZON)
    assert catalog.areas(GROUND)[1] < catalog.bare_area(GROUND) == (SHAPE[0] - HORIZON) * SHAPE[1]


def drawn(catalog: Catalog, operation: str) -> list[Layout]:
    params = section_with(SynthesizeParams, operations={operation: 1.0})
    inputs = LayoutInputs(catalog, params, SamplingWeights(catalog, params, None))
    return [draw_layout(inputs, seed=layout_seed(3, index)) for index in range(40)]


@pytest.mark.parametrize("operation", ["scale", "copy_paste", "warp", "recombine"])
def test_no_operation_makes_an_object_as_small_as_a_speck(catalog: Catalog, operation: str) -> None:
    changed = 0
    for layout in drawn(catalog, operation):
        base = apply_steps(catalog, layout.steps[:1])
        changed += not np.array_equal(base, layout.label_map)
        specks = specks_in(base)
        if operation == "scale" and len(layout.steps) > 1:
            top, left, height, width = layout.steps[1]["box"]
            rows, columns = np.indices(SHAPE)
            y = top + (2 * rows + 1) * height // (2 * SHAPE[0])
            x = left + (2 * columns + 1) * width // (2 * SHAPE[1])
            specks = specks[y, x]
        for class_id, least in ((CAR, LEAST), (BIRD, 4)):
            parts, count = ndimage.label(layout.label_map == class_id, np.ones((3, 3)))
            for number in range(1, count + 1):
                part = parts == number
                assert part.sum() >= least or specks[part].all()
    assert changed >= 28  # the rule leaves enough to draw
