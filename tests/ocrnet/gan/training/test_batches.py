"""Batches are functions of (seed, step)."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ocrnet.errors import DataError
from ocrnet.gan.generator.images import to_image, to_tensor
from ocrnet.gan.training.batches import Pairs
from tests.ocrnet.gan.prepared import write_prepared


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_prepared(tmp_path_factory.mktemp("prepared"))


def test_a_batch_is_a_function_of_seed_and_step(prepared: Path) -> None:
    fresh, used = Pairs(prepared, "train"), Pairs(prepared, "train")
    for step in range(3):
        used.batch(step, seed=0, count=2, size=(12, 16), flip=True, rare_crops=0.5)

    first, second = (
        pairs.batch(3, seed=0, count=2, size=(12, 16), flip=True, rare_crops=0.5)
        for pairs in (fresh, used)
    )

    assert first.ids == second.ids
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.label_maps, second.label_maps)


def test_each_image_comes_once_before_any_comes_twice(prepared: Path) -> None:
    pairs = Pairs(prepared, "train")
    ids = [
        item
        for step in range(5)
        for item in pairs.batch(step, seed=0, count=2, size=(8, 8), flip=False, rare_crops=0.0).ids
    ]

    assert sorted(ids[:5]) == sorted(ids[5:]) == pairs.ids


def test_rare_crops_draw_classes_evenly(prepared: Path) -> None:
    pairs = Pairs(prepared, "train")
    maps = torch.cat(
        [
            pairs.batch(step, seed=0, count=8, size=(1, 1), flip=False, rare_crops=1.0).label_maps
            for step in range(50)
        ]
    )

    # Squares fill less than a tenth of an image, but half of the draws; four standard deviations.
    assert (maps == 1).float().mean().item() == pytest.approx(0.5, abs=4 * 0.025)


def test_smaller_images_are_padded_with_ignored_pixels(prepared: Path) -> None:
    batch = Pairs(prepared, "train").batch(
        0, seed=0, count=5, size=(24, 24), flip=False, rare_crops=0.0
    )

    assert batch.images.shape == (5, 3, 24, 24)
    assert batch.label_maps[:, -1].eq(255).all()


def test_an_empty_split_is_refused(prepared: Path) -> None:
    with pytest.raises(DataError, match="split test has no image"):
        Pairs(prepared, "test")


def test_image_tensor_round_trip_is_exact() -> None:
    image = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)

    tensor = to_tensor(image)

    assert (tensor.min().item(), tensor.max().item()) == (-1.0, 1.0)
    assert (to_image(tensor) == image).all()
