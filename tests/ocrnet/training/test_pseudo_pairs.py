"""Pairs with pseudo-labels in a batch: a stream of its own, whose pixels move with their weights."""

import shutil
from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from ocrnet.config import RetrainParams
from ocrnet.data.decode import read_label_map
from ocrnet.data.manifest import read_manifest, write_manifest
from ocrnet.data.pixel_weights import PIXEL_WEIGHTS, write_pixel_weights
from ocrnet.losses.instances import UNKNOWN
from ocrnet.training.batch_rows import StepSampler
from ocrnet.training.batches import train_batches
from ocrnet.training.dataset import ImageFolder
from ocrnet.training.transforms import TrainTransform
from tests.base_params import section_with
from tests.ocrnet.conftest import CLASSES, toy_params

WEIGHTS = np.array([50, 100, 200] + [0] * 253, np.uint8)  # of floor, square, dot and ignored pixels


@pytest.fixture(scope="module")
def streams(toy_set: Path, tmp_path_factory: pytest.TempPathFactory) -> list[ImageFolder]:
    """The toy set, two of its images as copy-paste pairs, and three as pairs whose weights tell the class."""
    folder = tmp_path_factory.mktemp("pseudo")
    shutil.copytree(toy_set, folder, dirs_exist_ok=True)
    (folder / PIXEL_WEIGHTS).mkdir()
    table = read_manifest(folder, split="train").head(3)
    for name, path in zip(table["id"], table["label_map"], strict=True):
        weights = WEIGHTS[read_label_map(folder / path)]
        write_pixel_weights(folder / PIXEL_WEIGHTS / f"{name}.png", weights)
    names = [f"{PIXEL_WEIGHTS}/{name}.png" for name in table["id"]]
    write_manifest(folder, table.assign(origin="pseudo", pixel_weights=names))
    real = ImageFolder.read(toy_set, split="train")
    return [real, ImageFolder(toy_set, real.table.head(2)), ImageFolder.read(folder, split="train")]


def drawn(streams: list[ImageFolder], *, real_fraction: float, steps: int) -> list[list[int]]:
    """Return the streams of the slots of each step, of batches of 4."""
    mix = section_with(RetrainParams, real_fraction=real_fraction)
    sampler = StepSampler(streams, batch_size=4, mix=mix, first=0, steps=steps, seed=0)
    return [[slot.stream for slot in sampler.batch(step)] for step in range(steps)]


def test_several_kinds_of_pairs_share_the_places_that_real_images_leave(
    streams: list[ImageFolder],
) -> None:
    assert drawn(streams, real_fraction=0.5, steps=2) == [[0, 0, 1, 2]] * 2
    assert drawn(streams, real_fraction=0.75, steps=2) == [[0, 0, 0, 1], [0, 0, 0, 2]]
    odd = Counter(chain(*drawn(streams, real_fraction=0.25, steps=4)))
    assert odd == {0: 4, 1: 6, 2: 6}


def test_pairs_are_the_same_rows_with_and_without_another_stream(
    streams: list[ImageFolder],
) -> None:
    mix = section_with(RetrainParams, real_fraction=0.75)
    alone, joined = (
        StepSampler(given, batch_size=4, mix=mix, first=0, steps=6, seed=0)
        for given in (streams[:2], streams)
    )
    for step in (0, 2, 4):  # the turns of the first kind
        assert alone.batch(step) == joined.batch(step)


@pytest.mark.parametrize("instances", [False, True])
def test_the_weights_of_pixels_move_with_them(streams: list[ImageFolder], instances: bool) -> None:
    params = toy_params(
        batch_size=4, steps=3, rotation=20.0, vertical_flip=0.5, rare_crops=0.5, cutmix=0.5
    ).train
    transform = TrainTransform(params, crop_size=(80, 96), ignore_index=CLASSES.ignore_index)
    mix = section_with(RetrainParams, real_fraction=0.0, synthetic_weight=0.5)
    pairs = [streams[0], streams[2]]
    found = list(
        train_batches(pairs, transform, recipe=params, mix=mix, seed=0, instances=instances)
    )
    expected = torch.from_numpy(WEIGHTS.astype(np.float32)) / 255 * 0.5
    for batch in found:
        assert torch.equal(batch.weights, expected[batch.label_maps])
        assert batch.numbers is None or bool((batch.numbers == UNKNOWN).all())


def test_real_images_beside_them_keep_the_weight_1(streams: list[ImageFolder]) -> None:
    params = toy_params(batch_size=4, steps=1, warmup_steps=0).train
    transform = TrainTransform(params, crop_size=(64, 64), ignore_index=CLASSES.ignore_index)
    mix = section_with(RetrainParams, real_fraction=0.5)
    (batch,) = train_batches(streams, transform, recipe=params, mix=mix, seed=0)
    assert bool((batch.weights[:3] == 1).all()), "two real images and a copy-paste pair"
    assert 0 < float(batch.weights[3].max()) < 1
    assert "pixel_weights" not in pd.DataFrame(streams[1].table)
