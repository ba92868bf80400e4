"""A rotated or bent window shows the image and its label map at the same places."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as TF

from ocrnet.runtime import keyed_generator
from ocrnet.training.transforms import TrainTransform
from ocrnet.training.warp import cut_along, elastic_shifts, window_positions
from tests.ocrnet.conftest import toy_params

PIXELS = torch.randint(1, 256, (3, 32, 32), generator=keyed_generator("pixels")).to(torch.uint8)
LABELS = torch.randint(0, 5, (1, 32, 32), generator=keyed_generator("labels")).to(torch.uint8)


def cut(positions: Tensor) -> tuple[Tensor, Tensor]:
    return cut_along(PIXELS, LABELS, positions, ignore_index=255)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_quarter_turn_is_rot90(turns: int) -> None:
    pixels, labels = cut(window_positions((0, 0), (32, 32), degrees=90.0 * turns))
    assert torch.equal(pixels, torch.rot90(PIXELS, turns, dims=(1, 2)))
    assert torch.equal(labels, torch.rot90(LABELS, turns, dims=(1, 2)))


@pytest.mark.parametrize("degrees", [-31.0, 17.0, 140.0])
def test_an_angle_is_that_of_torchvision(degrees: float) -> None:
    pixels, labels = cut(window_positions((0, 0), (32, 32), degrees=degrees))
    turned = TF.rotate(PIXELS, degrees, interpolation=InterpolationMode.BILINEAR)
    assert (pixels.int() - turned.int()).abs().max() <= 1
    assert torch.equal(labels, TF.rotate(LABELS, degrees, fill=[255]))


def test_a_straight_window_is_a_crop() -> None:
    pixels, labels = cut(window_positions((5, 9), (16, 20)))
    assert torch.equal(pixels, PIXELS[:, 5:21, 9:29])
    assert torch.equal(labels, LABELS[:, 5:21, 9:29])


def test_the_corners_of_a_rotated_window_show_what_lies_beside_it() -> None:
    """The diagonal of a window of 16 is 22.6 pixels, so a window in the middle of 32 pixels always lies inside."""
    for degrees in map(float, range(0, 360, 15)):
        _, labels = cut(window_positions((8, 8), (16, 16), degrees=degrees))
        assert (labels != 255).all()
    _, labels = cut(window_positions((0, 0), (32, 32), degrees=45.0))
    assert (labels[0, :4, :4] == 255).all()


def test_pixels_beyond_the_image_are_black_and_ignored() -> None:
    pixels, labels = cut(window_positions((-40, 0), (32, 32)))
    assert (pixels == 0).all()
    assert (labels == 255).all()


def test_bending_is_smooth_and_as_strong_as_asked_for() -> None:
    fields = torch.stack(
        [
            elastic_shifts((65, 65), deviation=4.0, generator=keyed_generator("field", k))
            for k in range(300)
        ]
    )
    assert fields.shape == (300, 65, 65, 2)
    # Bicubic interpolation keeps the drawn shifts at the 9 points of the grid.
    at_points = fields[:, ::32, ::32]
    assert at_points.std().item() == pytest.approx(4.0, rel=0.05)
    assert at_points.mean().item() == pytest.approx(0.0, abs=0.2)
    steps = fields.diff(dim=1).abs().max()
    assert steps < 2.0  # of neighbouring pixels


def coloured(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an image whose label map can be read from pure colours: one channel per class, black where ignored."""
    drawn = np.random.default_rng(3).integers(0, 4, (height // 8, width // 8))
    blocks = drawn.repeat(8, 0).repeat(8, 1)
    image = np.stack([np.where(blocks == k, 255, 0) for k in range(3)], axis=2).astype(np.uint8)
    return image, np.where(blocks == 3, 255, blocks).astype(np.uint8)


@settings(max_examples=25)
@given(
    key=st.integers(0, 10_000),
    height=st.sampled_from([40, 64, 96]),
    rotation=st.sampled_from([0.0, 20.0, 180.0]),
    elastic=st.sampled_from([0.0, 3.0]),
    vertical_flip=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_label_map_and_image_agree_however_the_window_lies(
    key: int, height: int, rotation: float, elastic: float, vertical_flip: float
) -> None:
    image, label_map = coloured(height, 80)
    recipe = toy_params(
        color_jitter=0, scale_range=[1, 1], rotation=rotation, elastic=elastic, rare_crops=0.5,
        vertical_flip=vertical_flip,
    ).train  # fmt: skip
    transform = TrainTransform(recipe, crop_size=(64, 64), ignore_index=255)
    pixels, labels = transform(image, label_map, generator=keyed_generator(key))
    assert set(labels.flatten().tolist()) <= {0, 1, 2, 255}
    pure = 0
    for k in range(3):
        own = pixels[k] == 255
        assert (labels[own] == k).all()
        pure += int(own.sum())
    black = (pixels == 0).all(dim=0)
    assert (labels[black] == 255).all()
    assert pure + int(black.sum()) > 0.6 * 64 * 64


@pytest.mark.parametrize("change", [{"rotation": 90.0}, {"elastic": 5.0}])
def test_rotation_and_bending_move_the_window_of_a_sample(change: dict[str, float]) -> None:
    """The corner is drawn first, so that it is that of the straight window."""
    shown = []
    off: dict[str, float] = {}
    for values in (off, change):
        recipe = toy_params(color_jitter=0, scale_range=[1, 1], flip=False, **values).train
        transform = TrainTransform(recipe, crop_size=(64, 64), ignore_index=255)
        shown.append(transform(*coloured(96, 80), generator=keyed_generator(4))[1])
    assert not torch.equal(shown[0], shown[1])
