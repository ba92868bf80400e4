"""The instance maps of layouts: what holds for every operation, and what becomes of covered objects."""

from pathlib import Path

import numpy as np
import pytest

from ocrnet.config import SynthesizeParams
from ocrnet.data.decode import read_label_map
from ocrnet.data.instance_maps import read_instances, write_instances
from ocrnet.data.manifest import read_manifest
from ocrnet.gan import OPERATIONS
from ocrnet.gan.layouts.catalog import Catalog
from ocrnet.gan.layouts.compose import apply_steps, number_objects
from ocrnet.gan.layouts.draw import draw_layout
from ocrnet.gan.layouts.operations.base_map import Base
from ocrnet.gan.layouts.operations.interface import LayoutInputs
from ocrnet.gan.layouts.operations.pasted_object import Paste
from ocrnet.gan.layouts.sampling_weights import SamplingWeights
from ocrnet.gan.layouts.synthesize import synthesize_pairs
from ocrnet.record import SilentRecorder
from ocrnet.runtime import layout_seed
from ocrnet.training.dataset import ImageFolder
from tests.base_params import section_with
from tests.ocrnet.evaluation.things import add_things
from tests.ocrnet.gan.rough_drawer import RoughDrawer
from tests.ocrnet.gan.street import BIRD, CAR, ColourPainter, write_street

THINGS = (CAR, BIRD)
FIRST, SECOND = "train_02", "train_05"  # both show a car of 5 rows
BASE = Base(op="base", id=FIRST, flip=False)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a street whose cars and birds are objects; the car of SECOND is two objects, its halves."""
    folder = write_street(tmp_path_factory.mktemp("street") / "prepare")
    add_things(folder, ("car", "bird"), THINGS)
    path = folder / "instances" / f"{SECOND}.png"
    car = read_label_map(folder / "label_maps" / f"{SECOND}.png") == CAR
    columns = np.flatnonzero(car.any(axis=0))
    halves = np.where(np.arange(car.shape[1]) < columns[2], 1, 2)
    write_instances(path, car * halves)
    return folder


@pytest.fixture(scope="module")
def catalog(prepared: Path) -> Catalog:
    return Catalog(prepared)


def pasted(catalog: Catalog, at: tuple[int, int], **how: float) -> Paste:
    """Return the car of SECOND with its box at a place."""
    (car,) = (one for one in catalog.objects(CAR) if one.id == SECOND)
    paste = Paste(
        op="paste", id=SECOND, class_id=CAR, number=car.number, flip=False, zoom=1.0, angle=0.0, at=list(at)
    )  # fmt: skip
    return {**paste, **how}  # type: ignore[typeddict-item]


def corner(catalog: Catalog, image_id: str) -> tuple[int, int]:
    """Return the top left corner of the car of an image."""
    (car,) = (one for one in catalog.objects(CAR) if one.id == image_id)
    rows, columns = catalog.box(car)
    return rows.start, columns.start


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_every_pixel_of_a_thing_belongs_to_an_object_of_its_class(
    catalog: Catalog, operation: str
) -> None:
    params = section_with(SynthesizeParams, operations={operation: 1.0})
    weights = SamplingWeights(catalog, params, None)
    inputs = LayoutInputs(catalog, params, weights, RoughDrawer(catalog))
    for index in range(12):
        layout = draw_layout(inputs, seed=layout_seed(3, index))
        numbers = number_objects(catalog, layout.steps)
        assert np.array_equal(numbers > 0, np.isin(layout.label_map, THINGS))
        assert np.array_equal(np.unique([0, *numbers.ravel()]), np.arange(numbers.max() + 1))
        for number in range(1, int(numbers.max()) + 1):
            assert len(np.unique(layout.label_map[numbers == number])) == 1


@pytest.mark.parametrize("shift", [(0, 2), (2, 0), (1, -2), (-2, 1)])
def test_an_object_keeps_what_another_one_does_not_cover(
    catalog: Catalog, shift: tuple[int, int]
) -> None:
    """Both are cars, so the label map shows one component; the instance map shows three objects."""
    top, left = corner(catalog, FIRST)
    paste = pasted(catalog, (top + shift[0], left + shift[1]))
    under = catalog.label_map(FIRST) == CAR
    numbers = number_objects(catalog, [BASE, paste])
    visible = under & ~_covers(catalog, paste)
    assert visible.any()
    (own,) = np.unique(numbers[visible])
    assert np.array_equal(numbers == own, visible)
    assert len(np.unique(numbers[_covers(catalog, paste)])) == 2


def _covers(catalog: Catalog, paste: Paste) -> np.ndarray:
    """Return the pixels of the box of a pasted car, which is a full rectangle."""
    covered = np.zeros(catalog.label_map(FIRST).shape, np.bool_)
    (car,) = (one for one in catalog.objects(CAR) if one.id == SECOND)
    rows, columns = catalog.box(car)
    top, left = paste["at"]
    covered[top : top + rows.stop - rows.start, left : left + columns.stop - columns.start] = True
    return covered


def test_an_object_that_is_covered_whole_is_gone(catalog: Catalog) -> None:
    top, left = corner(catalog, FIRST)
    paste = pasted(catalog, (top - 2, left - 3), zoom=3.0)
    numbers = number_objects(catalog, [BASE, paste])
    label_map = apply_steps(catalog, [BASE, paste])
    assert np.array_equal(numbers > 0, np.isin(label_map, THINGS))
    assert len(np.unique(numbers[label_map == CAR])) == 2


def test_touching_objects_are_pasted_as_two_and_turn_with_their_pixels(catalog: Catalog) -> None:
    top, left = corner(catalog, SECOND)
    plain, mirrored = (
        number_objects(catalog, [{**BASE, "id": "train_01"}, pasted(catalog, (24, 20), flip=flip)])
        for flip in (False, True)
    )
    rows, columns = np.nonzero(_covers(catalog, pasted(catalog, (24, 20))))
    box = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    parent = catalog.instances.numbers(SECOND)[
        top : top + box[0].stop - box[0].start, left : left + box[1].stop - box[1].start
    ]
    assert np.unique(parent).tolist() == [1, 2]
    first = plain[box] - plain[box].min() + 1
    assert np.array_equal(first, parent)
    assert np.array_equal(mirrored[box] - mirrored[box].min() + 1, parent[:, ::-1])


def test_pairs_carry_instance_maps_that_a_training_reads(prepared: Path, tmp_path: Path) -> None:
    params = section_with(SynthesizeParams, count=4, operations={"copy_paste": 1.0})
    synthesize_pairs(
        prepared, params, painter=ColourPainter(), out=tmp_path, recorder=SilentRecorder(),
        with_copy_paste=True,
    )  # fmt: skip
    for name in ("gan", "copy_paste"):
        folder = ImageFolder.read(tmp_path / name, split="train")
        for index, path in enumerate(read_manifest(tmp_path / name)["instances"]):
            numbers = folder.numbers(index)
            assert numbers is not None
            assert np.array_equal(numbers, read_instances(tmp_path / name / path))
            assert np.array_equal(numbers > 0, np.isin(folder.item(index).label_map, THINGS))


def test_pairs_of_a_set_without_things_have_none(tmp_path: Path) -> None:
    folder = write_street(tmp_path / "prepare")
    params = section_with(SynthesizeParams, count=2, operations={"train": 1.0})
    synthesize_pairs(
        folder, params, painter=ColourPainter(), out=tmp_path, recorder=SilentRecorder()
    )
    assert "instances" not in read_manifest(tmp_path / "gan").columns
    assert not (tmp_path / "gan/instances").exists()
