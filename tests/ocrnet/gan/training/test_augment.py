"""Transforms keep image and label map together."""

import numpy as np
import pytest
import torch

from ocrnet.gan.training.augment import (
    IGNORED,
    crop_pair,
    draw_augmentation,
    flip_pair,
    jitter_colors,
)
from ocrnet.gan.training.rng import BatchRng

IGNORE = 255


def _pair(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a pair whose image repeats the label map in every channel."""
    label_map = np.random.default_rng(0).integers(0, 200, (height, width), dtype=np.uint8)
    return np.repeat(label_map[:, :, None], 3, axis=2), label_map


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shape", [(9, 30), (30, 9), (12, 16), (40, 50)])
def test_crop_moves_both_and_pads_with_ignored_pixels(shape: tuple[int, int], seed: int) -> None:
    image, label_map = crop_pair(
        *_pair(*shape), size=(12, 16), ignore_index=IGNORE, rng=np.random.default_rng(seed)
    )

    assert image.shape == (12, 16, 3)
    assert label_map.shape == (12, 16)
    valid = label_map != IGNORE
    assert valid.sum() == min(12, shape[0]) * min(16, shape[1])
    assert (image[valid] == label_map[valid][:, None]).all()


def test_crop_around_a_class_shows_it_wherever_it_is() -> None:
    rng = np.random.default_rng(0)
    for y, x in [(0, 0), (29, 39), (13, 20), (0, 39)]:
        label_map = np.zeros((30, 40), np.uint8)
        label_map[y, x] = 3
        image = np.zeros((30, 40, 3), np.uint8)
        for _ in range(20):
            _, window = crop_pair(
                image, label_map, size=(8, 10), ignore_index=IGNORE, rng=rng, wanted=3
            )
            assert window.shape == (8, 10)
            assert (window == 3).sum() == 1


def test_flip_moves_both() -> None:
    image, label_map = flip_pair(*_pair(5, 7))

    assert (image[:, :, 0] == label_map).all()
    assert (label_map == _pair(5, 7)[1][:, ::-1]).all()


def test_color_jitter_by_strength() -> None:
    images = torch.rand(3, 3, 6, 6) * 2 - 1

    same = jitter_colors(images, strength=0.0, rng=BatchRng("test", count=len(images)))
    other = jitter_colors(images, strength=0.5, rng=BatchRng("test", count=len(images)))

    assert torch.equal(same, images)
    assert (other - images).flatten(1).abs().mean(dim=1).min() > 0.01


def test_color_jitter_draws_for_each_image_and_lets_gradients_through() -> None:
    image = torch.rand(1, 3, 4, 4) * 2 - 1
    images = image.repeat(2, 1, 1, 1).requires_grad_()

    jittered = jitter_colors(images, strength=0.5, rng=BatchRng("test", count=len(images)))
    jittered.sum().backward()  # type: ignore[no-untyped-call]

    assert not torch.allclose(jittered[0], jittered[1])
    assert images.grad is not None
    assert images.grad.ne(0).all()


def _marked() -> tuple[torch.Tensor, torch.Tensor]:
    """Return images whose value is the class of the pixel, and their label maps: 1 to 9 in turn."""
    label_maps = (torch.arange(20 * 30).view(20, 30) % 9 + 1).expand(64, 20, 30).contiguous()
    return label_maps[:, None].float().repeat(1, 3, 1, 1), label_maps


def _augment(translate: float, cutout: float) -> tuple[torch.Tensor, torch.Tensor]:
    images, label_maps = _marked()
    rng = BatchRng("test", count=64)
    augmentation = draw_augmentation(label_maps, translate=translate, cutout=cutout, rng=rng)
    return augmentation.apply_to_images(images), augmentation.apply_to_labels(label_maps)


@pytest.mark.parametrize(("translate", "cutout"), [(0.2, 0.0), (0.0, 0.5), (0.3, 0.4)])
def test_what_is_seen_keeps_its_label_and_the_rest_is_ignored(
    translate: float, cutout: float
) -> None:
    images, label_maps = _augment(translate, cutout)

    seen = label_maps != IGNORED
    assert (images.movedim(1, -1)[seen] == label_maps[seen].unsqueeze(1)).all()
    assert images.movedim(1, -1)[~seen].eq(0).all()
    assert 0.3 < seen.float().mean() < 1


def test_a_painted_marker_follows_its_label() -> None:
    images, label_maps = torch.zeros(32, 3, 16, 24), torch.zeros(32, 16, 24, dtype=torch.int64)
    images[:, :, 8, 12], label_maps[:, 8, 12] = 1.0, 5
    augmentation = draw_augmentation(
        label_maps, translate=0.25, cutout=0.0, rng=BatchRng("test", count=32)
    )

    shown, labels = augmentation.apply_to_images(images), augmentation.apply_to_labels(label_maps)

    places = (shown[:, 0] == 1).nonzero()
    assert torch.equal(places, (labels == 5).nonzero())
    rows, columns = places[:, 1] - 8, places[:, 2] - 12
    assert torch.equal(torch.stack([rows, columns], dim=1), augmentation.shifts)
    assert (rows.min().item(), rows.max().item()) == (-4, 4)  # a quarter of 16
    assert (columns.min().item(), columns.max().item()) == (-6, 6)


def test_a_hole_has_its_side_and_is_cut_off_at_the_border() -> None:
    holes = _augment(0.0, 0.5)[1] == IGNORED

    heights = holes.any(dim=2).sum(dim=1)
    widths = holes.any(dim=1).sum(dim=1)
    assert (heights.min().item(), heights.max().item()) >= (5, 10)
    assert heights.max() == 10
    assert widths.max() == 15
    assert torch.equal(holes.sum(dim=(1, 2)), heights * widths)


def test_no_shift_and_no_hole_change_nothing() -> None:
    images, label_maps = _marked()
    shown, labels = _augment(0.0, 0.0)

    assert torch.equal(shown, images)
    assert torch.equal(labels, label_maps)


def test_an_augmentation_lets_gradients_through_where_it_shows() -> None:
    images = torch.rand(2, 3, 12, 12, requires_grad=True)
    label_maps = torch.zeros(2, 12, 12, dtype=torch.int64)
    augmentation = draw_augmentation(
        label_maps, translate=0.2, cutout=0.3, rng=BatchRng("test", count=2)
    )

    augmentation.apply_to_images(images).sum().backward()  # type: ignore[no-untyped-call]

    seen = augmentation.apply_to_labels(label_maps) != IGNORED
    assert images.grad is not None
    assert torch.equal(images.grad[:, 0].sum(dim=(1, 2)), seen.sum(dim=(1, 2)).float())
