"""Layouts keep to what the training split shows, and can be rebuilt from their steps."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from ocrnet.config import SynthesizeParams
from ocrnet.errors import ParamsError
from ocrnet.gan.layouts.catalog import Catalog
from ocrnet.gan.layouts.compose import Layout, apply_steps, compose
from ocrnet.gan.layouts.draw import check_operations, draw_layout
from ocrnet.gan.layouts.operations.base_map import Base
from ocrnet.gan.layouts.operations.interface import LayoutInputs
from ocrnet.gan.layouts.operations.pasted_object import Paste, place, turn
from ocrnet.gan.layouts.plausible import is_plausible
from ocrnet.gan.layouts.regions import adjacent_classes, components
from ocrnet.gan.layouts.sampling_weights import SamplingWeights
from ocrnet.runtime import layout_seed
from tests.base_params import section_with
from tests.ocrnet.gan.street import BIRD, CAR, COLOURS, GROUND, SHAPE, SKY, write_street

PASTING = section_with(SynthesizeParams, operations={"copy_paste": 1.0}, pastes=(1, 3))


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return Catalog(write_street(tmp_path_factory.mktemp("street") / "prepare"))


def layouts(catalog: Catalog, params: SynthesizeParams, count: int) -> list[Layout]:
    inputs = inputs_of(catalog, params)
    return [draw_layout(inputs, seed=layout_seed(0, index)) for index in range(count)]


def inputs_of(catalog: Catalog, params: SynthesizeParams) -> LayoutInputs:
    return LayoutInputs(catalog, params, SamplingWeights(catalog, params, None))


def test_the_catalog_knows_objects_support_and_contacts_of_the_training_split(
    catalog: Catalog,
) -> None:
    assert catalog.thing_classes() == [CAR, BIRD]
    assert catalog.support(CAR) == {GROUND}
    assert catalog.support(BIRD) == {SKY}
    assert catalog.adjacent == {(SKY, GROUND), (GROUND, CAR), (SKY, BIRD)}
    assert catalog.areas(CAR) == (12, 30)  # 3 x 4 and 5 x 6 pixels
    assert len(catalog.objects(CAR)) == 9
    assert len(catalog.objects(BIRD)) == 3


def test_layouts_show_only_contacts_supports_and_sizes_that_the_data_shows(
    catalog: Catalog,
) -> None:
    drawn = layouts(catalog, PASTING, 60)
    assert sum(len(layout.pastes) for layout in drawn) > 60
    for layout in drawn:
        assert set(np.unique(layout.label_map).tolist()) <= {SKY, GROUND, CAR, BIRD}
        assert adjacent_classes(layout.label_map, ignore_index=255) <= catalog.adjacent
        for class_id, part, _, _ in components(layout.label_map, 255):
            if class_id in (CAR, BIRD):
                least, most = catalog.areas(class_id)
                assert least <= part.sum() <= most
            else:
                assert part.sum() > 0.2 * part.size
        for class_id, ground in ((CAR, GROUND), (BIRD, SKY)):
            own = layout.label_map == class_id
            around = ndimage.binary_dilation(own) & ~own
            assert set(np.unique(layout.label_map[around]).tolist()) <= {ground}


def test_a_layout_that_breaks_a_rule_is_not_plausible(catalog: Catalog) -> None:
    lawful = catalog.label_map("train_00").copy()
    assert is_plausible(catalog, lawful)
    touching = lawful.copy()
    touching[18:22, 0:5] = CAR  # half in the sky
    assert not is_plausible(catalog, touching)
    speck = lawful.copy()
    speck[46, 0] = CAR  # on the ground, but of one pixel
    assert not is_plausible(catalog, speck)


def test_the_steps_as_json_rebuild_the_label_map(catalog: Catalog) -> None:
    for layout in layouts(catalog, section_with(SynthesizeParams), 40):
        steps = json.loads(json.dumps(layout.steps))
        assert np.array_equal(apply_steps(catalog, steps), layout.label_map)
        assert layout.parents[0] == steps[0]["id"]
        assert set(layout.parents) == {step["id"] for step in steps if "id" in step}


def test_train_and_flip_are_what_they_say(catalog: Catalog) -> None:
    for name, flipped in (("train", False), ("flip", True)):
        (layout,) = layouts(catalog, section_with(SynthesizeParams, operations={name: 1.0}), 1)
        original = catalog.label_map(layout.parents[0])
        assert np.array_equal(layout.label_map, original[:, ::-1] if flipped else original)
        assert len(layout.steps) == 1


def test_a_layout_is_a_function_of_its_seed(catalog: Catalog) -> None:
    one, same, other = (draw_layout(inputs_of(catalog, PASTING), seed=seed) for seed in (5, 5, 6))
    assert one.steps == same.steps
    assert one.steps != other.steps


def test_rare_classes_are_pasted_by_the_power_of_their_share(catalog: Catalog) -> None:
    """With power 1 the weights of bird to car are (car pixels) / (bird pixels), with power 0 they are even."""
    for power in (0.0, 1.0):
        drawn = layouts(
            catalog, PASTING.model_copy(update={"rare_power": power, "pastes": (1, 1)}), 150
        )
        pasted = [paste["class_id"] for layout in drawn for paste in layout.pastes]
        pixels = catalog.pixel_shares
        weights = (pixels[CAR] / pixels[BIRD]) ** power
        expected = weights / (1 + weights)
        deviation = np.sqrt(expected * (1 - expected) / len(pasted))
        assert pasted.count(BIRD) / len(pasted) == pytest.approx(expected, abs=4 * deviation)


def test_objects_land_where_their_class_is_found(catalog: Catalog) -> None:
    centres = [
        (paste["at"][0] + 2) / SHAPE[0]
        for layout in layouts(catalog, PASTING, 60)
        for paste in layout.pastes
        if paste["class_id"] == CAR
    ]
    assert min(centres) > min(c.centre[0] for c in catalog.objects(CAR)) - 0.25
    assert np.std(centres) > 0.03  # not always the same place


def test_turning_by_a_right_angle_is_exact() -> None:
    region = np.array([[1, 1, 1, 0], [1, 0, 0, 0]], dtype=np.bool_)
    assert np.array_equal(turn(region, flip=True, angle=0.0), region[:, ::-1])
    turned = turn(region, flip=False, angle=90.0)
    assert np.array_equal(turned[1:-1, 1:-1], np.rot90(region))


def test_what_sticks_out_of_the_image_is_cut() -> None:
    region = np.ones((2, 3), dtype=np.bool_)
    assert place(region, (4, 4), [-1, 2]).tolist() == [
        [False, False, True, True], *([[False] * 4] * 3)
    ]  # fmt: skip
    assert not place(region, (4, 4), [4, 0]).any()


@pytest.mark.parametrize("angle", [0.0, 90.0, 180.0])
@pytest.mark.parametrize("flip", [False, True])
def test_copy_paste_moves_pixels_with_their_labels(
    catalog: Catalog, angle: float, flip: bool
) -> None:
    """Pixels and labels take different routes (interpolation and nearest); both must turn the same way."""
    base = Base(op="base", id="train_01", flip=False)
    paste = Paste(
        op="paste",
        id="train_00",
        class_id=CAR,
        number=1,
        flip=flip,
        zoom=1.0,
        angle=angle,
        at=[26, 20],
    )
    label_map = apply_steps(catalog, [base, paste])
    image = compose(catalog, [base, paste])
    pasted = label_map != catalog.label_map("train_01")
    assert pasted.sum() > 0
    assert np.array_equal(image[pasted], COLOURS[label_map[pasted]])


def test_copy_paste_turns_an_uneven_object_as_its_label(tmp_path: Path) -> None:
    """The car is painted as a gradient, so that a wrong turn or flip of its pixels would show."""
    from ocrnet.data.decode import read_image, write_image

    folder = write_street(tmp_path / "prepare")
    gradient = read_image(folder / "images/train_00.png")
    gradient[..., 0] = np.arange(SHAPE[1])[None] * 4
    gradient[..., 1] = np.arange(SHAPE[0])[:, None] * 4
    write_image(folder / "images/train_00.png", gradient)
    own = Catalog(folder)
    (car,) = [c for c in own.objects(CAR) if c.id == "train_00"]
    rows, columns = own.box(car)
    patch = gradient[rows, columns]
    base = Base(op="base", id="train_01", flip=False)
    for flip, angle, expected in (
        (True, 0.0, patch[:, ::-1]), (False, 90.0, np.rot90(patch)), (True, 90.0, np.rot90(patch[:, ::-1])),
    ):  # fmt: skip
        at = [26, 20]
        paste = Paste(
            op="paste",
            id="train_00",
            class_id=CAR,
            number=1,
            flip=flip,
            zoom=1.0,
            angle=angle,
            at=at,
        )
        label_map = apply_steps(own, [base, paste])
        image = compose(own, [base, paste])
        assert (label_map == CAR).sum() > 0
        margin = 0 if angle == 0.0 else 1
        top, left = at[0] + margin, at[1] + margin
        found = image[top : top + expected.shape[0], left : left + expected.shape[1]]
        assert np.array_equal(found, expected)


def test_wrong_operations_are_named(catalog: Catalog) -> None:
    with pytest.raises(
        ParamsError, match=r"\['mirror'\] are unknown. Known: train, flip, scale, copy_paste"
    ):
        check_operations(section_with(SynthesizeParams, operations={"mirror": 1.0}), catalog)


def test_copy_paste_without_objects_is_refused(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "thing_classes", list)
    with pytest.raises(ParamsError, match="no class of the training split occurs as things"):
        check_operations(PASTING, catalog)
