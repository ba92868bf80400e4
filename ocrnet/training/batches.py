"""Batches for the training: samples are decoded, changed and put together.

A batch depends only on (seed, step): its items, their augmentation and what is pasted into them.
"""

from collections.abc import Iterator
from typing import NamedTuple, TypeVar, cast

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ocrnet.config import RetrainParams, TrainParams
from ocrnet.errors import OcrnetError
from ocrnet.errors.machine import machine_error
from ocrnet.runtime import keyed_generator
from ocrnet.training.batch_rows import Slot, StepSampler
from ocrnet.training.cutmix import draw_box
from ocrnet.training.dataset import ImageFolder
from ocrnet.training.transforms import TrainTransform


class TrainBatch(NamedTuple):
    """A batch of one rank."""

    images: Tensor  # [B, 3, h, w] uint8
    label_maps: Tensor  # [B, h, w] int64
    ids: list[str]
    weights: Tensor  # float32, weight of each sample [B] or of each pixel [B, h, w] in the loss

    def parts(self, count: int) -> list["TrainBatch"]:
        """Return the batch as parts of equal size, which get the samples in turn."""
        turns = [slice(start, None, count) for start in range(count)]
        return [
            TrainBatch(self.images[turn], self.label_maps[turn], self.ids[turn], self.weights[turn])
            for turn in turns
        ]


Sample = tuple[Tensor, Tensor, str, Tensor]


class Refusal(NamedTuple):
    """The value in place of a sample that cannot be used.

    A worker of the loader would turn an exception into a string with a traceback; a value keeps the message of one
    line.
    """

    error: OcrnetError


Batch = TypeVar("Batch")


class SlotDataset(Dataset[Sample | Refusal]):
    """Decodes and transforms the item of a slot, and pastes the box of its donor; a weight depends on the stream.

    Args:
        streams: Real rows and, if there are any, extra rows.
        transform: Transform of each sample.
        extra_weight: Weight of an extra pixel in the loss; a real pixel has 1.
        mixes: Whether slots may have donors, so that a sample may have pixels of two weights.
        seed: Random seed of the training run.
    """

    def __init__(
        self,
        streams: list[ImageFolder],
        transform: TrainTransform,
        *,
        extra_weight: float,
        mixes: bool,
        seed: int,
    ) -> None:
        self._streams = streams
        self._transform = transform
        self._weights = (1.0, extra_weight)
        self._weighs_pixels = mixes and len(streams) > 1 and extra_weight != 1
        self._seed = seed

    def __getitem__(self, slot: Slot) -> Sample | Refusal:
        try:
            return self._sample(slot)
        except Exception as error:
            known = machine_error(error) or error
            if isinstance(known, OcrnetError):
                return Refusal(known)
            raise

    def _sample(self, slot: Slot) -> Sample:
        image, label_map, name, weight = self._alone(slot)
        if slot.donor is not None:
            own = (image, label_map, weight)
            other = self._alone(slot.donor)
            key = keyed_generator(self._seed, "box", slot.step, slot.place)
            rows, columns = draw_box((label_map.shape[0], label_map.shape[1]), generator=key)
            for part, pasted in zip(own, (other[0], other[1], other[3]), strict=True):
                if part.ndim:
                    part[..., rows, columns] = pasted[..., rows, columns]
        return image, label_map, name, weight

    def _alone(self, slot: Slot) -> Sample:
        """Return the sample of a slot before anything is pasted into it."""
        item = self._streams[slot.stream].item(slot.row)
        generator = keyed_generator(self._seed, "sample", slot.step, slot.place)
        image, label_map = self._transform(item.image, item.label_map, generator=generator)
        weight = torch.tensor(self._weights[slot.stream])
        if self._weighs_pixels:
            weight = weight.repeat(*label_map.shape)
        return image, label_map, item.id, weight


def train_batches(
    streams: list[ImageFolder],
    transform: TrainTransform,
    *,
    recipe: TrainParams,
    mix: RetrainParams,
    seed: int,
    first: int = 0,
) -> Iterator[TrainBatch]:
    """Return this rank's share of the batches of the steps from `first` on.

    Args:
        streams: Real rows and, if there are any, extra rows.
        transform: Transform of each sample.
        recipe: Params with the number of steps, the batch size over all ranks, the share of pasted boxes, and the
            number of processes that decode; the batches are the same for any number of processes.
        mix: Mix of real and extra rows; it has no effect without extra rows.
        seed: Random seed; seed and step key all randomness.
        first: First step.

    Raises:
        OcrnetError: A file cannot be used or the machine fails; raised by the iterator.
    """
    sampler = StepSampler(
        streams,
        batch_size=recipe.batch_size,
        mix=mix,
        first=first,
        steps=recipe.steps,
        seed=seed,
        cutmix=recipe.cutmix,
    )
    samples = SlotDataset(
        streams,
        transform,
        extra_weight=mix.synthetic_weight,
        mixes=recipe.cutmix > 0,
        seed=seed,
    )
    loader: DataLoader[Sample | Refusal] = DataLoader(
        samples,
        batch_sampler=sampler,
        num_workers=recipe.workers,
        collate_fn=_collate,
        persistent_workers=recipe.workers > 0,
    )
    return without_refusals(iter(loader))


def without_refusals(batches: Iterator[Batch | Refusal]) -> Iterator[Batch]:
    """Yield batches until one is a refusal, which is raised.

    Raises:
        OcrnetError: The error of the refusal.
    """
    for batch in batches:
        if isinstance(batch, Refusal):
            raise batch.error
        yield batch


def _collate(samples: list[Sample | Refusal]) -> TrainBatch | Refusal:
    refused = [sample for sample in samples if isinstance(sample, Refusal)]
    if refused:
        return refused[0]
    images, label_maps, ids, weights = zip(*cast(list[Sample], samples), strict=True)
    return TrainBatch(torch.stack(images), torch.stack(label_maps), list(ids), torch.stack(weights))
