"""What training and validation draw from manifests.

A batch is a function of (seed, step): nothing else decides which items it holds and how each is cropped
and coloured.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from ocrnet.config import RetrainParams
from ocrnet.data.decode import read_image, read_label_map
from ocrnet.data.manifest import pixel_columns, read_manifest
from ocrnet.distributed.ranks import rank, world_size
from ocrnet.errors import DataError, OcrnetError
from ocrnet.errors.machine import machine_error
from ocrnet.runtime import key_seed, keyed_generator
from ocrnet.training.transforms import TrainTransform


class Item(NamedTuple):
    """An image with its label map, decoded."""

    id: str
    image: npt.NDArray[np.uint8]
    label_map: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ImageFolder:
    """The rows of one split of a manifest folder.

    Args:
        folder: Folder that the paths in the table are relative to.
        table: Rows of the split.
    """

    folder: Path
    table: pd.DataFrame

    @classmethod
    def read(cls, folder: Path, *, split: str) -> "ImageFolder":
        """Read one split.

        Raises:
            DataError: The manifest is missing or wrong, or the split is empty.
        """
        table = read_manifest(folder, split=split)
        if table.empty:
            raise DataError(
                f"{folder}: no {split} image in the manifest. Give the split at least one."
            )
        return cls(folder, table)

    def __len__(self) -> int:
        return len(self.table)

    def item(self, index: int) -> Item:
        """Decode the item of a row."""
        row = self.table.iloc[index]
        image = read_image(self.folder / row["image"])
        return Item(row["id"], image, read_label_map(self.folder / row["label_map"]))

    def weights(self) -> npt.NDArray[np.float64]:
        """Return the sampling odds of the rows, summing to 1."""
        if "weight" not in self.table.columns:
            return np.full(len(self), 1 / len(self))
        weights = self.table["weight"].to_numpy(dtype=np.float64)
        return np.asarray(weights / weights.sum())

    def pixel_counts(self, class_names: tuple[str, ...]) -> npt.NDArray[np.int64]:
        """Return how many pixels each class has in each image, as [images, classes]."""
        return self.table[pixel_columns(class_names)].to_numpy(dtype=np.int64)


class Slot(NamedTuple):
    """One place in a batch: which stream, which row, and the step and place that key its randomness."""

    stream: int
    row: int
    step: int
    place: int


class StepSampler(Sampler[list[Slot]]):
    """The batches of the steps from `first` on, each a share of real rows and the rest extra rows.

    Real rows come in shuffled epochs. Extra rows are drawn by their weights. The slots of a step are dealt out to the
    ranks in turn, so that each gets its share of extra rows, too; what the ranks draw together does not depend on
    how many they are.
    """

    def __init__(
        self,
        streams: list[ImageFolder],
        *,
        batch_size: int,
        mix: RetrainParams,
        first: int,
        steps: int,
        seed: int,
    ) -> None:
        has_extra = len(streams) > 1
        self._real_rows = len(streams[0])
        self._batch_size = batch_size
        self._real_per_batch = mix.real_per_batch(batch_size) if has_extra else batch_size
        self._mixed_steps = mix.mixed_steps(steps)
        self._odds = streams[1].weights() if has_extra else np.zeros(0)
        self._first, self._steps, self._seed = first, steps, seed

    def __len__(self) -> int:
        return self._steps - self._first

    def __iter__(self) -> Iterator[list[Slot]]:
        for step in range(self._first, self._steps):
            yield self.batch(step)[rank() :: world_size()]

    def batch(self, step: int) -> list[Slot]:
        """Return the slots of one step, of all ranks together."""
        mixed = min(step, self._mixed_steps)  # steps before this one that took a share of real rows
        drawn_before = mixed * self._real_per_batch + (step - mixed) * self._batch_size
        count = self._real_per_batch if step < self._mixed_steps else self._batch_size
        rows = [(0, self._real_row(drawn_before + i)) for i in range(count)]
        if count < self._batch_size:
            rng = np.random.default_rng(key_seed(self._seed, "extra", step))
            drawn = rng.choice(len(self._odds), size=self._batch_size - count, p=self._odds)
            rows += [(1, int(row)) for row in drawn]
        return [Slot(stream, row, step, place) for place, (stream, row) in enumerate(rows)]

    def _real_row(self, position: int) -> int:
        epoch, at = divmod(position, self._real_rows)
        rng = np.random.default_rng(key_seed(self._seed, "epoch", epoch))
        return int(rng.permutation(self._real_rows)[at])


class TrainBatch(NamedTuple):
    """A batch as the loop of one rank takes it."""

    images: Tensor  # [B, 3, h, w] uint8
    label_maps: Tensor  # [B, h, w] int64
    ids: list[str]
    weights: Tensor  # [B] float32, what each sample counts in the loss


Sample = tuple[Tensor, Tensor, str, float]


class Refusal(NamedTuple):
    """The value in place of a sample that cannot be used.

    A worker of the loader would pass the error on as a traceback in a string; as a value it stays one line.
    """

    error: OcrnetError


class SlotDataset(Dataset[Sample | Refusal]):
    """Decodes and transforms the item of a slot, and weights it by its stream."""

    def __init__(
        self,
        streams: list[ImageFolder],
        transform: TrainTransform,
        *,
        extra_weight: float,
        seed: int,
    ) -> None:
        self._streams = streams
        self._transform = transform
        self._weights = (1.0, extra_weight)
        self._seed = seed

    def __getitem__(self, slot: Slot) -> Sample | Refusal:
        try:
            return self._sample(slot)
        except Exception as error:
            told = machine_error(error) or error
            if isinstance(told, OcrnetError):
                return Refusal(told)
            raise

    def _sample(self, slot: Slot) -> Sample:
        item = self._streams[slot.stream].item(slot.row)
        generator = keyed_generator(self._seed, "sample", slot.step, slot.place)
        image, label_map = self._transform(item.image, item.label_map, generator=generator)
        return image, label_map, item.id, self._weights[slot.stream]


def train_batches(
    streams: list[ImageFolder],
    transform: TrainTransform,
    *,
    batch_size: int,
    mix: RetrainParams,
    first: int,
    steps: int,
    seed: int,
    workers: int = 0,
) -> Iterator[TrainBatch]:
    """Return this rank's share of the batches of the steps from `first` on.

    Args:
        streams: Real rows and, if there are any, extra rows.
        transform: Transform of each sample.
        batch_size: Number of samples in a batch, over all ranks.
        mix: Mix of real and extra rows; without effect if there are no extra rows.
        first: Step to start at.
        steps: Step to stop before.
        seed: Random seed; with the step, it is the key of all randomness.
        workers: Number of processes that decode; the batches are the same for any number.

    Raises:
        OcrnetError: A file cannot be used or the machine fails; raised by the iterator.
    """
    sampler = StepSampler(
        streams,
        batch_size=batch_size,
        mix=mix,
        first=first,
        steps=steps,
        seed=seed,
    )
    loader: DataLoader[Sample | Refusal] = DataLoader(
        SlotDataset(streams, transform, extra_weight=mix.synthetic_weight, seed=seed),
        batch_sampler=sampler,
        num_workers=workers,
        collate_fn=_collate,
        persistent_workers=workers > 0,
    )
    return _without_refusals(iter(loader))


def _without_refusals(batches: Iterator[TrainBatch | Refusal]) -> Iterator[TrainBatch]:
    for batch in batches:
        if isinstance(batch, Refusal):
            raise batch.error
        yield batch


def _collate(samples: list[Sample | Refusal]) -> TrainBatch | Refusal:
    refused = [sample for sample in samples if isinstance(sample, Refusal)]
    if refused:
        return refused[0]
    images, label_maps, ids, weights = zip(*cast(list[Sample], samples), strict=True)
    return TrainBatch(
        torch.stack(images), torch.stack(label_maps), list(ids), torch.tensor(weights)
    )
