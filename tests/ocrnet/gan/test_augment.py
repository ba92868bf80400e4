"""Transforms keep image and label map together."""

import numpy as np
import pytest
import torch

from ocrnet.gan.augment import crop_pair, flip_pair, jitter_colors
from ocrnet.gan.draws import BatchDraws

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

    same = jitter_colors(images, strength=0.0, draws=BatchDraws("test", count=len(images)))
    other = jitter_colors(images, strength=0.5, draws=BatchDraws("test", count=len(images)))

    assert torch.equal(same, images)
    assert (other - images).flatten(1).abs().mean(dim=1).min() > 0.01


def test_color_jitter_draws_for_each_image_and_lets_gradients_through() -> None:
    image = torch.rand(1, 3, 4, 4) * 2 - 1
    images = image.repeat(2, 1, 1, 1).requires_grad_()

    jittered = jitter_colors(images, strength=0.5, draws=BatchDraws("test", count=len(images)))
    jittered.sum().backward()  # type: ignore[no-untyped-call]

    assert not torch.allclose(jittered[0], jittered[1])
    assert images.grad is not None
    assert images.grad.ne(0).all()
