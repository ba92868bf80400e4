"""A batch is a function of seed and step, and nothing else."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from ocrnet.config import RetrainParams, TrainParams
from ocrnet.errors import DataError
from ocrnet.training.batch_rows import StepSampler
from ocrnet.training.batches import TrainBatch, train_batches
from ocrnet.training.dataset import ImageFolder
from ocrnet.training.transforms import TrainTransform
from tests.base_params import section_with
from tests.ocrnet.conftest import toy_params


@pytest.fixture
def folder(toy_set: Path) -> ImageFolder:
    return ImageFolder.read(toy_set, split="train")


def batches(
    folder: ImageFolder, *, first: int = 0, seed: int = 0, **recipe: object
) -> list[TrainBatch]:
    params = toy_params(batch_size=4, steps=4, **recipe).train
    transform = TrainTransform(params, crop_size=(64, 64), ignore_index=255)
    return list(
        train_batches(
            [folder],
            transform,
            recipe=params,
            mix=section_with(RetrainParams),
            seed=seed,
            first=first,
        )
    )


def equal(left: list[TrainBatch], right: list[TrainBatch]) -> bool:
    return all(
        torch.equal(a.images, b.images)
        and torch.equal(a.label_maps, b.label_maps)
        and a.ids == b.ids
        and torch.equal(a.weights, b.weights)
        for a, b in zip(left, right, strict=True)
    )


def test_a_restart_draws_the_same_samples(folder: ImageFolder) -> None:
    assert equal(batches(folder)[2:], batches(folder, first=2))


def test_steps_and_seeds_differ(folder: ImageFolder) -> None:
    drawn = batches(folder)
    assert not torch.equal(drawn[0].images, drawn[2].images)
    assert not equal(drawn, batches(folder, seed=1))


@pytest.mark.slow
def test_worker_processes_draw_the_same_samples(folder: ImageFolder) -> None:
    assert equal(batches(folder), batches(folder, workers=2))


def test_an_epoch_shows_every_image_once(folder: ImageFolder) -> None:
    shown = Counter(name for batch in batches(folder)[:2] for name in batch.ids)
    assert sorted(shown) == sorted(folder.table["id"])
    assert set(shown.values()) == {1}


def test_extra_rows_fill_their_share_by_their_weights(folder: ImageFolder) -> None:
    extra = ImageFolder(folder.folder, folder.table.assign(weight=[0.0, 1.0, 3.0, 0, 0, 0, 0, 0]))
    mix = section_with(RetrainParams, real_fraction=0.75)
    sampler = StepSampler([folder, extra], batch_size=8, mix=mix, first=0, steps=500, seed=0)
    slots = [slot for batch in sampler for slot in batch]
    drawn = Counter(slot.row for slot in slots if slot.stream == 1)
    assert sum(drawn.values()) == 500 * 2
    assert set(drawn) == {1, 2}
    assert drawn[2] / drawn[1] == pytest.approx(3, rel=0.2)


def test_the_last_steps_are_real_alone_at_equal_steps_and_batch_size(folder: ImageFolder) -> None:
    mix = section_with(RetrainParams, real_fraction=0.5, real_tail=0.3)
    sampler = StepSampler([folder, folder], batch_size=8, mix=mix, first=0, steps=10, seed=0)
    drawn = list(sampler)
    assert [len(batch) for batch in drawn] == [8] * 10
    real = [sum(slot.stream == 0 for slot in batch) for batch in drawn]
    assert real == [4] * 7 + [8] * 3
    # Real rows go on in shuffled epochs of 8: every row is shown as often as any other, but for the epoch in progress.
    shown = Counter(slot.row for batch in drawn for slot in batch if slot.stream == 0)
    assert sum(shown.values()) == 52
    assert set(shown) == set(range(8))
    assert set(shown.values()) == {6, 7}


def test_the_share_of_real_samples_is_what_is_drawn(folder: ImageFolder) -> None:
    """0.8 of 8 are 6 samples in 7 steps, and the last 3 steps are real alone: 66 of 80."""
    mix = section_with(RetrainParams, real_fraction=0.8, real_tail=0.3)
    sampler = StepSampler([folder, folder], batch_size=8, mix=mix, first=0, steps=10, seed=0)
    assert sum(slot.stream == 0 for batch in sampler for slot in batch) == 66
    recipe = section_with(TrainParams, steps=10, batch_size=8, warmup_steps=1)
    assert mix.real_share(recipe) == pytest.approx(66 / 80)


@pytest.mark.parametrize("first", [3, 7, 9])
def test_a_restart_before_and_in_the_tail_draws_the_same_slots(
    folder: ImageFolder, first: int
) -> None:
    mix = section_with(RetrainParams, real_fraction=0.5, real_tail=0.3)

    def drawn(start: int) -> list[object]:
        streams = [folder, folder]
        return list(StepSampler(streams, batch_size=5, mix=mix, first=start, steps=10, seed=0))

    assert drawn(0)[first:] == drawn(first)


def test_extra_samples_carry_their_weight(folder: ImageFolder) -> None:
    params = toy_params(batch_size=4, steps=2, warmup_steps=1).train
    transform = TrainTransform(params, crop_size=(64, 64), ignore_index=255)
    mix = section_with(RetrainParams, real_fraction=0.75, real_tail=0.5, synthetic_weight=0.25)
    drawn = train_batches([folder, folder], transform, recipe=params, mix=mix, seed=0)
    assert [batch.weights.tolist() for batch in drawn] == [[1, 1, 1, 0.25], [1, 1, 1, 1]]


def test_without_extra_rows_the_mix_changes_nothing(folder: ImageFolder) -> None:
    def slots(mix: RetrainParams) -> list[object]:
        return list(StepSampler([folder], batch_size=4, mix=mix, first=0, steps=6, seed=0))

    other = section_with(RetrainParams, real_fraction=0.25, real_tail=0.5, synthetic_weight=0.1)
    assert slots(section_with(RetrainParams)) == slots(other)


def test_an_empty_split_is_named(toy_set: Path) -> None:
    with pytest.raises(DataError, match="no holdout image"):
        ImageFolder.read(toy_set, split="holdout")


def test_class_pixels_are_counted_per_image(folder: ImageFolder) -> None:
    by_hand = np.zeros((len(folder), 3), dtype=np.int64)
    for index in range(len(folder)):
        label_map = folder.item(index).label_map
        by_hand[index] = [(label_map == label).sum() for label in range(3)]
    assert (folder.pixel_counts(("floor", "square", "dot")) == by_hand).all()
