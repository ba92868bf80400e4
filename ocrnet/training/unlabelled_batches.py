"""Batches of unlabelled images in pairs: which images, their views, and the boxes that a pair exchanges.

A batch depends only on (seed, step), like that of the labelled images, and not on the number of processes: they get
whole pairs in turn.
"""

from collections.abc import Iterator
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from ocrnet.config import Params
from ocrnet.distributed.ranks import rank, world_size
from ocrnet.errors import OcrnetError
from ocrnet.errors.machine import machine_error
from ocrnet.runtime import key_seed, keyed_generator, uniform
from ocrnet.training.batches import Refusal, without_refusals
from ocrnet.training.cutmix import draw_box
from ocrnet.training.unlabelled_images import UnlabelledImages
from ocrnet.training.views import ViewPair


class UnlabelledBatch(NamedTuple):
    """Unlabelled images of one rank; 2k and 2k + 1 are a pair."""

    weak: Tensor  # [U, 3, h, w] uint8, for the teacher
    strong: Tensor  # [U, 3, h, w] uint8, for the student, without boxes
    inside: Tensor  # [U, h, w] bool: pixels of the image, not of its padding
    boxes: (
        Tensor  # [U, h, w] bool: pixels that the strong view takes from the other image of its pair
    )
    ids: list[str]

    def parts(self, count: int) -> list["UnlabelledBatch"]:
        """Return the batch as parts of equal size, of whole pairs."""
        size = len(self.ids) // count
        spans = [slice(size * i, size * (i + 1)) for i in range(count)]
        return [
            UnlabelledBatch(
                self.weak[span],
                self.strong[span],
                self.inside[span],
                self.boxes[span],
                self.ids[span],
            )
            for span in spans
        ]


class Place(NamedTuple):
    """A place in a batch: its row, and the step and place that seed its views."""

    row: int
    step: int
    place: int


class PairSampler(Sampler[list[Place]]):
    """The rows of the steps from `first` on, in shuffled epochs; the ranks get the pairs of a step in turn.

    Args:
        rows: Number of images.
        per_batch: Even number of images in a batch, over all ranks.
        first: First step.
        steps: Step after the last one.
        seed: Random seed of the training run.
    """

    def __init__(self, rows: int, *, per_batch: int, first: int, steps: int, seed: int) -> None:
        self._rows, self._per_batch, self._seed = rows, per_batch, seed
        self._first, self._steps = first, steps

    def __len__(self) -> int:
        return self._steps - self._first

    def __iter__(self) -> Iterator[list[Place]]:
        for step in range(self._first, self._steps):
            places = self.batch(step)
            pairs = [places[i : i + 2] for i in range(0, len(places), 2)]
            yield [place for pair in pairs[rank() :: world_size()] for place in pair]

    def batch(self, step: int) -> list[Place]:
        """Return the places of one step for all ranks."""
        start = step * self._per_batch
        return [Place(self._row(start + i), step, i) for i in range(self._per_batch)]

    def _row(self, position: int) -> int:
        epoch, at = divmod(position, self._rows)
        rng = np.random.default_rng(key_seed(self._seed, "unlabelled_epoch", epoch))
        return int(rng.permutation(self._rows)[at])


Views = tuple[Tensor, Tensor, Tensor, Tensor, str]


class ViewDataset(Dataset[Views | Refusal]):
    """Decodes the image of a place and makes its views; all random numbers are keyed by seed, step and place."""

    def __init__(
        self, images: UnlabelledImages, views: ViewPair, *, cutmix: float, seed: int
    ) -> None:
        self._images, self._views = images, views
        self._cutmix, self._seed = cutmix, seed

    def __getitem__(self, place: Place) -> Views | Refusal:
        try:
            return self._sample(place)
        except Exception as error:
            known = machine_error(error) or error
            if isinstance(known, OcrnetError):
                return Refusal(known)
            raise

    def _sample(self, place: Place) -> Views:
        name, image = self._images.item(place.row)
        key = keyed_generator(self._seed, "unlabelled", place.step, place.place)
        weak, strong, inside = self._views(image, generator=key)
        box = torch.zeros_like(inside)
        key = keyed_generator(self._seed, "unlabelled_box", place.step, place.place)
        if uniform(key) < self._cutmix:
            box[draw_box((box.shape[0], box.shape[1]), generator=key)] = True
        return weak, strong, inside, box, name


def unlabelled_batches(
    images: UnlabelledImages, params: Params, *, seed: int, first: int = 0
) -> Iterator[UnlabelledBatch]:
    """Return this rank's share of the batches of unlabelled images of the steps from `first` on.

    Args:
        images: Unlabelled images.
        params: Params of all stages.
        seed: Random seed of the training run.
        first: First step.

    Raises:
        OcrnetError: A file cannot be used or the machine fails; raised by the iterator.
    """
    recipe, own = params.train, params.mean_teacher
    loader: DataLoader[Views | Refusal] = DataLoader(
        ViewDataset(
            images, ViewPair(own, recipe, crop_size=params.data.crop_size), cutmix=own.cutmix, seed=seed
        ),
        batch_sampler=PairSampler(
            len(images), per_batch=own.per_batch(recipe.batch_size), first=first, steps=recipe.steps, seed=seed
        ),
        num_workers=recipe.workers,
        collate_fn=_collate,
        persistent_workers=recipe.workers > 0,
    )  # fmt: skip
    return without_refusals(iter(loader))


def _collate(samples: list[Views | Refusal]) -> UnlabelledBatch | Refusal:
    refused = [sample for sample in samples if isinstance(sample, Refusal)]
    if refused:
        return refused[0]
    weak, strong, inside, boxes, ids = zip(*cast(list[Views], samples), strict=True)
    return UnlabelledBatch(
        torch.stack(weak), torch.stack(strong), torch.stack(inside), torch.stack(boxes), list(ids)
    )
