"""Noise by component: what it depends on, and what an edit of the label map leaves alone."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ocrnet.errors import DataError
from ocrnet.gan.generator.network import Generator
from ocrnet.gan.generator.painter import Painter
from ocrnet.gan.generator.presets import Preset
from ocrnet.gan.generator.styles import (
    NO_CLASS,
    Component,
    draw_noise,
    find_components,
    noise_of_image,
    trace_components,
)
from tests.ocrnet.gan.generator.test_networks import TINY
from tests.ocrnet.gan.prepared import TABLE

CPU = torch.device("cpu")
# Of TINY, whose cells are 4, 2 and 1 pixels: the head or an embedding (1 cell), two convolutions of the block (2 cells)
# at 4 and at 2 and 1, the last convolution, and up to 3 pixels to the border of a cell.
REACH = 4 * 3 + 2 * 2 + 1 * 2 + 1 + 3


def _scene() -> np.ndarray:
    """Return a floor with two squares, far from each other."""
    label_map = np.zeros((60, 100), np.uint8)
    label_map[4:10, 4:10] = 1
    label_map[44:50, 80:86] = 1
    return label_map


FLOOR, NEAR, FAR = Component(0, 0, 0), Component(1, 4, 4), Component(1, 44, 80)


@pytest.fixture
def painter() -> Painter:
    torch.manual_seed(0)
    return Painter(Generator(2, TINY), TABLE, style="component")


def test_components_by_hand() -> None:
    # Class 1 touches at a corner and is one; class 0 is two, left and right of it; the two ignored pixels are one.
    label_map = np.array([[0, 1, 9], [1, 0, 0], [9, 0, 0]])

    numbers, components = find_components(label_map, num_classes=2)

    assert numbers.tolist() == [[0, 1, 2], [1, 0, 0], [2, 0, 0]]
    assert components == [Component(0, 0, 0), Component(1, 0, 1), Component(NO_CLASS, 0, 0)]


def test_components_are_one_class_each_and_connected() -> None:
    label_map = np.random.default_rng(0).integers(0, 4, (20, 30))

    numbers, components = find_components(label_map, num_classes=3)

    for number, (class_id, row, column) in enumerate(components):
        inside = numbers == number
        assert set(label_map[inside].tolist()) == {3 if class_id == NO_CLASS else class_id}
        if class_id != NO_CLASS:
            assert np.flatnonzero(inside)[0] == row * 30 + column
            grown = np.zeros_like(inside)
            for y, x in np.argwhere(inside):
                grown[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2] = True
            # What touches it is of another class, or it.
            assert (label_map[grown & ~inside] != class_id).all()


def test_style_is_constant_in_a_component_and_grain_is_not() -> None:
    label_maps = torch.from_numpy(_scene().astype(np.int64)).unsqueeze(0)
    noise = draw_noise(
        TINY, label_maps, num_classes=2, style="component", generators=[torch.Generator()], device=CPU
    )[0]  # fmt: skip
    style, grain = noise[:-1], noise[-1]

    means = []
    for number in range(3):
        inside = torch.from_numpy(find_components(_scene(), num_classes=2)[0] == number)
        assert style[:, inside].std(dim=1).max() < 1e-6
        assert grain[inside].std() > 0.3
        means.append(style[:, inside].mean(dim=1))
    assert torch.pdist(torch.stack(means)).min() > 0.1


def test_style_of_an_image_is_constant_in_it_and_differs_between_images() -> None:
    noise = draw_noise(
        TINY, torch.zeros(2, 6, 6, dtype=torch.int64), num_classes=2, style="image",
        generators=[torch.Generator().manual_seed(i) for i in range(2)], device=CPU,
    )  # fmt: skip
    style, grain = noise[:, :-1], noise[:, -1:]

    assert style.flatten(2).std(dim=2).max() == 0
    assert grain.flatten(2).std(dim=2).min() > 0.3
    assert not torch.equal(style[0], style[1])
    assert not torch.equal(noise, noise_of_image(TINY, (6, 6), seed=0))


def test_same_seed_same_image_to_the_bit(painter: Painter) -> None:
    first, again, other = (painter.paint(_scene(), seed=seed) for seed in (0, 0, 1))

    assert (first == again).all()
    assert (first != other).any()


def test_another_style_of_one_component_changes_its_surroundings_alone(painter: Painter) -> None:
    before, after = (painter.paint(_scene(), seed=0, seeds=seeds) for seeds in (None, {FAR: 7}))

    changed = (before != after).any(axis=2)
    assert changed[44:50, 80:86].any()
    rows, columns = np.nonzero(changed)
    assert rows.min() >= 44 - REACH
    assert columns.min() >= 80 - REACH


def test_an_edit_leaves_the_styles_of_other_components_alone(painter: Painter) -> None:
    edited = _scene()
    edited[20:25, 70:75] = 1  # between both in reading order: numbers move, anchors do not
    assert painter.components(edited) == [FLOOR, NEAR, Component(1, 20, 70), FAR]

    before, after = painter.paint(_scene(), seed=0), painter.paint(edited, seed=0)

    changed = np.argwhere((before != after).any(axis=2))
    assert changed.min(axis=0)[1] >= 70 - REACH
    assert changed.max(axis=0)[0] < 25 + REACH
    assert not (before[50:, :40] != after[50:, :40]).any()


def test_a_component_whose_anchor_is_edited_keeps_its_style_when_told_what_it_was(
    painter: Painter,
) -> None:
    edited = _scene()
    edited[44, 80] = 0  # the anchor goes
    moved = Component(1, 44, 81)
    assert moved in painter.components(edited)

    numbers, components = find_components(edited, num_classes=2)
    was = trace_components(numbers, components, find_components(_scene(), num_classes=2))
    assert was == [FLOOR, NEAR, FAR]
    kept = painter.paint(edited, seed=0, before=_scene())
    assert (kept != painter.paint(edited, seed=0)).any()
    named = painter.paint(edited, seed=0, before=_scene(), seeds={FAR: 3})
    assert (named != kept).any()


def test_what_was_not_there_before_is_itself_and_halves_are_what_they_were() -> None:
    edited = _scene()
    edited[46, 78:90] = 0  # cuts the far square in two
    edited[30:33, 30:33] = 1
    numbers, components = find_components(edited, num_classes=2)

    was = trace_components(numbers, components, find_components(_scene(), num_classes=2))

    assert components == [FLOOR, NEAR, Component(1, 30, 30), FAR, Component(1, 47, 80)]
    assert was == [FLOOR, NEAR, Component(1, 30, 30), FAR, FAR]


def test_what_cannot_be_styled_is_refused(painter: Painter) -> None:
    with pytest.raises(DataError, match=r"class_id=1, row=0, column=3\) is not in the label map"):
        painter.paint(_scene(), seed=0, seeds={Component(1, 0, 3): 1})
    with pytest.raises(
        DataError, match=r"size is \(60, 100\), but before the edit it was \(9, 9\)"
    ):
        painter.paint(_scene(), seed=0, before=np.zeros((9, 9), np.uint8))
    image_painter = Painter(painter.generator, TABLE)
    with pytest.raises(DataError, match=r"one style per image. Train it with train_gan.style comp"):
        image_painter.paint(_scene(), seed=0, seeds={FAR: 1})


@pytest.mark.parametrize("style", ["image", "component"])
def test_ignored_pixels_and_any_size_are_painted(painter: Painter, style: str) -> None:
    label_map = np.full((7, 5), 255, np.uint8)

    painted = Painter(painter.generator, TABLE, style=style).paint(label_map, seed=0)

    assert painted.shape == (7, 5, 3)


def test_the_noise_of_presets_has_style_and_grain() -> None:
    preset = Preset((8,), (4,), 4, 1, 6, 2)

    assert noise_of_image(preset, (3, 4), seed=0).shape == (1, 6, 3, 4)


def test_folder_of_a_painter_records_its_style(painter: Painter, tmp_path: Path) -> None:
    from ocrnet.gan.generator.painter import load_painter, save_painter

    expected = painter.paint(_scene(), seed=5, seeds={NEAR: 2})
    save_painter(tmp_path, painter, arch="oasis", preset_name="cpu-demo")

    loaded = load_painter(tmp_path)

    assert loaded.style == "component"
    painted = loaded.paint(_scene(), seed=5, seeds={NEAR: 2})
    assert np.abs(painted.astype(int) - expected).max() <= 1  # rounding at .5
