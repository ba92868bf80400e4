"""What holds for every operation, and what each of them does."""

import json

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree

from ocrnet.config import SynthesizeParams
from ocrnet.data.decode import read_image
from ocrnet.gan import OPERATIONS
from ocrnet.gan.layouts.catalog import Catalog
from ocrnet.gan.layouts.class_components import ClassComponents, Component
from ocrnet.gan.layouts.compose import Layout, apply_steps, can_compose, compose
from ocrnet.gan.layouts.draw import draw_layout, draw_real_layout
from ocrnet.gan.layouts.operations.base_map import Base
from ocrnet.gan.layouts.operations.interface import LayoutInputs
from ocrnet.gan.layouts.operations.recombine import Erase, similarity
from ocrnet.gan.layouts.operations.scale import Scale
from ocrnet.gan.layouts.operations.warp import KNOTS, Warp
from ocrnet.gan.layouts.regions import fill_nearest
from ocrnet.gan.layouts.sampling_weights import SamplingWeights
from ocrnet.runtime import layout_seed
from tests.base_params import section_with
from tests.ocrnet.gan.plates import write_plates
from tests.ocrnet.gan.rough_drawer import RoughDrawer
from tests.ocrnet.gan.street import BIRD, CAR, COLOURS, GROUND, HORIZON, SHAPE, SKY, write_street

SETS = {"street": write_street, "plates": write_plates}
BASE = Base(op="base", id="train_01", flip=False)
STILL = [[[0.0, 0.0]] * KNOTS] * KNOTS


@pytest.fixture(scope="module")
def catalogs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Catalog]:
    root = tmp_path_factory.mktemp("sets")
    return {name: Catalog(write(root / name)) for name, write in SETS.items()}


@pytest.fixture(scope="module")
def street(catalogs: dict[str, Catalog]) -> Catalog:
    return catalogs["street"]


def inputs_of(catalog: Catalog, **operations: float) -> LayoutInputs:
    params = section_with(SynthesizeParams, operations=operations)
    weights = SamplingWeights(catalog, params, None)
    return LayoutInputs(catalog, params, weights, RoughDrawer(catalog))


def layouts(catalog: Catalog, operation: str, count: int = 25) -> list[Layout]:
    inputs = inputs_of(catalog, **{operation: 1.0})
    return [draw_layout(inputs, seed=layout_seed(7, index)) for index in range(count)]


def contacts(label_map: np.ndarray) -> set[tuple[int, int]]:
    """Return the pairs of ids side by side, pixel by pixel: slow and plain."""
    height, width = label_map.shape
    found = set()
    for y in range(height):
        for x in range(width):
            for other in ((y, x + 1), (y + 1, x)):
                if other[0] < height and other[1] < width:
                    a, b = int(label_map[y, x]), int(label_map[other])
                    found.add((min(a, b), max(a, b)))
    return {pair for pair in found if pair[0] != pair[1] and 255 not in pair}


def sizes(label_map: np.ndarray) -> dict[int, list[int]]:
    """Return the areas of the components of each class, diagonal neighbours together."""
    found = {}
    for class_id in set(label_map.ravel().tolist()) - {255}:
        parts, count = ndimage.label(label_map == class_id, np.ones((3, 3)))
        found[class_id] = [int((parts == number).sum()) for number in range(1, count + 1)]
    return found


def without_objects(label_map: np.ndarray, objects: list[int]) -> np.ndarray:
    """Return a label map with each pixel of an object taken from the nearest other one."""
    hole = np.isin(label_map, objects)
    filled = label_map.copy()
    if hole.any():
        _, nearest = cKDTree(np.argwhere(~hole)).query(np.argwhere(hole))
        filled[hole] = label_map[~hole][nearest]
    return filled


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_layout_has_a_contact_or_a_size_that_the_data_never_shows(
    catalogs: dict[str, Catalog], name: str, operation: str
) -> None:
    """By other code than the layouts are checked by.

    Large surfaces, which objects lie on, may be smaller than any seen, and as large as any without its objects.
    """
    catalog = catalogs[name]
    real = [catalog.label_map(image_id) for image_id in catalog.ids]
    allowed = set().union(*(contacts(label_map) for label_map in real))
    seen: dict[int, list[int]] = {}
    for label_map in real:
        for class_id, areas in sizes(label_map).items():
            seen.setdefault(class_id, []).extend(areas)
    bare = [sizes(without_objects(label_map, catalog.thing_classes())) for label_map in real]
    for layout in layouts(catalog, operation):
        assert contacts(layout.label_map) <= allowed
        for class_id, areas in sizes(layout.label_map).items():
            for area in areas:
                is_surface = (
                    class_id not in catalog.thing_classes() and area > 0.2 * layout.label_map.size
                )
                if is_surface:
                    assert area <= max(max(areas.get(class_id, [0])) for areas in bare)
                else:
                    assert min(seen[class_id]) <= area <= max(seen[class_id])


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_layout_and_its_picture_can_be_rebuilt_from_json(
    catalogs: dict[str, Catalog], name: str, operation: str
) -> None:
    catalog = catalogs[name]
    made = 0
    for layout in layouts(catalog, operation, 12):
        steps = json.loads(json.dumps(layout.steps))
        rebuilt = apply_steps(catalog, steps)
        assert rebuilt.tobytes() == layout.label_map.tobytes()
        assert rebuilt.dtype == np.uint8
        assert set(layout.parents) <= set(catalog.ids)
        made += len(steps) > 1
        if can_compose(steps):
            image = compose(catalog, steps)
            assert image.shape == (*rebuilt.shape, 3)
            assert np.array_equal(image, compose(catalog, layout.steps))
        else:
            assert not OPERATIONS[operation].real
    assert made >= (0 if operation in ("train", "flip", "joint") else 6)


@pytest.mark.parametrize("operation", ["scale", "copy_paste", "warp", "recombine"])
def test_layouts_are_new(street: Catalog, operation: str) -> None:
    """Neither a training label map nor its mirror image."""
    real = [street.label_map(image_id) for image_id in street.ids]
    known = {m.tobytes() for label_map in real for m in (label_map, label_map[:, ::-1].copy())}
    drawn = layouts(street, operation)
    assert sum(layout.label_map.tobytes() not in known for layout in drawn) >= 0.7 * len(drawn)


def test_scale_zooms_label_map_and_picture_alike(street: Catalog) -> None:
    """In a picture of flat colours each pixel within a class still has the colour of its class."""
    step = Scale(op="scale", box=[10, 14, 36, 42])
    label_map = apply_steps(street, [BASE, step])
    original = street.label_map("train_01")
    assert label_map.shape == SHAPE
    assert (label_map[0, 0], label_map[-1, -1]) == (original[10, 14], original[45, 55])
    assert (label_map == SKY).sum(axis=0).tolist() == [round((HORIZON - 10) * 48 / 36)] * 56
    image = compose(street, [BASE, step])
    inner = ndimage.minimum_filter(label_map, 5) == ndimage.maximum_filter(label_map, 5)
    assert inner.mean() > 0.5
    assert np.array_equal(image[inner], COLOURS[label_map[inner]])


def test_the_whole_image_as_window_changes_nothing(street: Catalog) -> None:
    step = Scale(op="scale", box=[0, 0, *SHAPE])
    assert np.array_equal(apply_steps(street, [BASE, step]), street.label_map("train_01"))
    real = read_image(street.image_path("train_01"))
    assert np.array_equal(compose(street, [BASE, step]), real)


def test_a_warp_without_shifts_changes_nothing_and_one_shift_moves_the_object(
    street: Catalog,
) -> None:
    original = street.label_map("train_01")
    still = Warp(op="warp", class_id=CAR, number=1, shifts=STILL)
    assert np.array_equal(apply_steps(street, [BASE, still]), original)
    moved = Warp(op="warp", class_id=CAR, number=1, shifts=[[[0.0, -2.0]] * KNOTS] * KNOTS)
    expected = np.roll(original == CAR, 2, axis=1)  # taken from two columns to the left
    label_map = apply_steps(street, [BASE, moved])
    assert np.array_equal(label_map == CAR, expected)
    # What the car left is ground, the class that surrounds it, though the sky is there too.
    assert set(label_map[(original == CAR) & ~expected].tolist()) == {GROUND}


def test_a_warp_touches_no_other_object(street: Catalog) -> None:
    for layout in layouts(street, "warp"):
        base = apply_steps(street, layout.steps[:1])
        warped = {step["class_id"] for step in layout.steps[1:]}
        for class_id in set(street.thing_classes()) - warped:
            assert np.array_equal(layout.label_map == class_id, base == class_id)
        for class_id in street.thing_classes():
            assert len(sizes(layout.label_map).get(class_id, [])) == len(
                sizes(base).get(class_id, [])
            )


def test_erased_objects_leave_the_surface_around_them(street: Catalog) -> None:
    base = Base(op="base", id="train_00", flip=False)
    erased = apply_steps(street, [base, Erase(op="erase", parts=[[CAR, 1], [BIRD, 1]])])
    assert (erased[:HORIZON] == SKY).all()
    assert (erased[HORIZON:] == GROUND).all()


def test_recombined_objects_are_where_they_were_and_their_parents_named(street: Catalog) -> None:
    placed = 0
    for layout in layouts(street, "recombine"):
        flip = layout.steps[0]["flip"]
        for paste in layout.pastes:
            other = street.label_map(paste["id"])
            other = other[:, ::-1] if flip else other
            parts, _ = ndimage.label(other == paste["class_id"], np.ones((3, 3)))
            places = [parts == number for number in range(1, parts.max() + 1)]
            assert any((layout.label_map[place] == paste["class_id"]).all() for place in places)
            assert paste["id"] in layout.parents
            placed += 1
    assert placed >= 15


def test_similarity_is_that_of_the_surfaces(street: Catalog) -> None:
    """All scenes have one horizon: where no object is, they agree."""
    assert similarity(street, "train_00", "train_01") == 1.0


def test_the_nearest_source_fills_a_hole() -> None:
    row = np.array([[1, 0, 0, 2, 2, 3]], dtype=np.uint8)
    hole = np.array([[False, True, True, True, True, False]])
    assert fill_nearest(row, hole, ~hole).tolist() == [[1, 1, 1, 3, 3, 3]]


def test_the_rival_draws_only_what_real_pixels_show_by_the_same_odds(street: Catalog) -> None:
    inputs = inputs_of(street, flip=1.0, copy_paste=3.0, warp=4.0)
    seeds = [layout_seed(2, index) for index in range(200)]
    replaced = [seed for seed in seeds if not can_compose(draw_layout(inputs, seed=seed).steps)]
    drawn = [draw_real_layout(inputs, seed=seed) for seed in replaced]
    assert len(drawn) > 60
    assert all(can_compose(layout.steps) for layout in drawn)
    pasted = sum(layout.operation == "copy_paste" for layout in drawn) / len(drawn)
    assert pasted == pytest.approx(0.75, abs=4 * np.sqrt(0.75 * 0.25 / len(drawn)))
    alone = draw_real_layout(inputs_of(street, warp=1.0), seed=1)
    assert alone.operation == "copy_paste"


def test_objects_grow_downwards_where_the_data_shows_it() -> None:
    """Discs of radius 2 at the top to 6 at the bottom: the slope of log size over height is ln 3 in 0.6 of it."""
    objects = [
        Component("a", 1, 1, round(100 * 9 ** ((y - 0.2) / 0.6)), (y, 0.5))
        for y in np.linspace(0.2, 0.8, 30).tolist()
    ]
    assert ClassComponents(objects).growth() == pytest.approx(np.log(3) / 0.6, rel=0.02)
    assert ClassComponents(objects[:5]).growth() == 0.0
    same = [Component("a", 1, 1, 9, (y, 0.5)) for y in np.linspace(0, 1, 30).tolist()]
    assert ClassComponents(same).growth() == 0.0
