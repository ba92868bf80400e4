"""Batches for the training: samples are decoded, changed and put together.

A batch depends only on (seed, step): its items, their augmentation and what is pasted into them.
"""

from collections.abc import Iterator
from typing import NamedTuple, TypeVar, cast

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ocrnet.config import RetrainParams, TrainParams
from ocrnet.data.pixel_weights import FULL_WEIGHT
from ocrnet.errors import OcrnetError
from ocrnet.errors.machine import machine_error
from ocrnet.losses.instances import UNKNOWN
from ocrnet.runtime import keyed_generator
from ocrnet.training.batch_rows import Slot, StepSampler
from ocrnet.training.cutmix import draw_box
from ocrnet.training.dataset import ImageFolder, Item
from ocrnet.training.transforms import TrainTransform


class TrainBatch(NamedTuple):
    """A batch of one rank."""

    images: Tensor  # [B, 3, h, w] uint8
    label_maps: Tensor  # [B, h, w] int64
    ids: list[str]
    weights: Tensor  # float32, weight of each sample [B] or of each pixel [B, h, w] in the loss
    numbers: Tensor | None = None  # [B, h, w] int64, objects of each image; -1: unknown

    def parts(self, count: int) -> list["TrainBatch"]:
        """Return the batch as parts of equal size, which get the samples in turn."""
        turns = [slice(start, None, count) for start in range(count)]
        return [
            TrainBatch(
                self.images[turn],
                self.label_maps[turn],
                self.ids[turn],
                self.weights[turn],
                None if self.numbers is None else self.numbers[turn],
            )
            for turn in turns
        ]


Sample = tuple[Tensor, Tensor, str, Tensor, Tensor | None]
APART = 1 << 16  # added to the numbers of a pasted box: they are others than those around it


class Refusal(NamedTuple):
    """The value in place of a sample that cannot be used.

    A worker of the loader would turn an exception into a string with a traceback; a value keeps the message of one
    line.
    """

    error: OcrnetError


Batch = TypeVar("Batch")


class SlotDataset(Dataset[Sample | Refusal]):
    """Decodes and transforms the item of a slot, and pastes the box of its donor.

    A weight depends on the stream and, in rows with pixel weights, on the pixel.

    Args:
        streams: Real rows and, after them, the kinds of extra rows, if there are any.
        transform: Transform of each sample.
        extra_weight: Weight of an extra pixel in the loss; a real pixel has 1.
        mixes: Whether slots may have donors, so that a sample may have pixels of two weights.
        seed: Random seed of the training run.
        instances: Whether samples have their instance maps.
    """

    def __init__(
        self,
        streams: list[ImageFolder],
        transform: TrainTransform,
        *,
        extra_weight: float,
        mixes: bool,
        seed: int,
        instances: bool = False,
    ) -> None:
        self._streams = streams
        self._transform = transform
        self._weights = (1.0, *[extra_weight] * (len(streams) - 1))
        mixes_weights = mixes and len(streams) > 1 and extra_weight != 1
        self._weighs_pixels = mixes_weights or any(rows.weighs_pixels for rows in streams)
        self._seed = seed
        self._instances = instances

    def __getitem__(self, slot: Slot) -> Sample | Refusal:
        try:
            return self._sample(slot)
        except Exception as error:
            known = machine_error(error) or error
            if isinstance(known, OcrnetError):
                return Refusal(known)
            raise

    def _sample(self, slot: Slot) -> Sample:
        image, label_map, name, weight, numbers = self._alone(slot)
        if slot.donor is not None:
            own = [image, label_map, weight]
            other = self._alone(slot.donor)
            pasted = [other[0], other[1], other[3]]
            if numbers is not None and other[4] is not None:
                own.append(numbers)
                pasted.append(torch.where(other[4] > 0, other[4] + APART, other[4]))
            key = keyed_generator(self._seed, "box", slot.step, slot.place)
            rows, columns = draw_box((label_map.shape[0], label_map.shape[1]), generator=key)
            for part, donated in zip(own, pasted, strict=True):
                if part.ndim:
                    part[..., rows, columns] = donated[..., rows, columns]
        return image, label_map, name, weight, numbers

    def _alone(self, slot: Slot) -> Sample:
        """Return the sample of a slot before anything is pasted into it."""
        rows = self._streams[slot.stream]
        item = rows.item(slot.row)
        generator = keyed_generator(self._seed, "sample", slot.step, slot.place)
        weight = torch.tensor(self._weights[slot.stream])
        if rows.weighs_pixels:
            image, label_map, weights = self._transform.with_numbers(
                item.image, item.label_map, rows.pixel_weights(slot.row), generator=generator
            )
            numbers = self._unknown(label_map)  # the objects of such a row are not known
            return image, label_map, item.id, weight * weights / FULL_WEIGHT, numbers
        image, label_map, numbers = self._changed(slot, item, generator)
        if self._weighs_pixels:
            weight = weight.repeat(*label_map.shape)
        return image, label_map, item.id, weight, numbers

    def _changed(
        self, slot: Slot, item: Item, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return image, label map and, if samples have them, the instance map of an item after its transform."""
        known = self._streams[slot.stream].numbers(slot.row) if self._instances else None
        if known is not None:
            return self._transform.with_numbers(
                item.image, item.label_map, known, generator=generator
            )
        image, label_map = self._transform(item.image, item.label_map, generator=generator)
        return image, label_map, self._unknown(label_map)

    def _unknown(self, label_map: Tensor) -> Tensor | None:
        return torch.full_like(label_map, UNKNOWN) if self._instances else None


def train_batches(
    streams: list[ImageFolder],
    transform: TrainTransform,
    *,
    recipe: TrainParams,
    mix: RetrainParams,
    seed: int,
    first: int = 0,
    instances: bool = False,
) -> Iterator[TrainBatch]:
    """Return this rank's share of the batches of the steps from `first` on.

    Args:
        streams: Real rows and, after them, the kinds of extra rows, if there are any.
        transform: Transform of each sample.
        recipe: Params with the number of steps, the batch size over all ranks, the share of pasted boxes, and the
            number of processes that decode; the batches are the same for any number of processes.
        mix: Mix of real and extra rows; it has no effect without extra rows.
        seed: Random seed; seed and step key all randomness.
        first: First step.
        instances: Whether batches have instance maps.

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
        instances=instances,
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
    images, label_maps, ids, weights, numbers = zip(*cast(list[Sample], samples), strict=True)
    return TrainBatch(
        torch.stack(images), torch.stack(label_maps), list(ids), torch.stack(weights),
        None if numbers[0] is None else torch.stack(numbers),
    )  # fmt: skip
