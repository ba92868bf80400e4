"""Which rows a batch holds, and what is pasted into them: the whole batch depends only on (seed, step)."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler

from ocrnet.config import RetrainParams
from ocrnet.distributed.ranks import rank, world_size
from ocrnet.runtime import key_seed
from ocrnet.training.dataset import ImageFolder


class Slot(NamedTuple):
    """One place in a batch: its stream and row, and the step and place that seed its augmentation.

    Attributes:
        donor: Another slot of the batch, a box of which is pasted into this one (CutMix); None if nothing is pasted.
    """

    stream: int
    row: int
    step: int
    place: int
    donor: "Slot | None" = None


class StepSampler(Sampler[list[Slot]]):
    """The batches of the steps from `first` on, each with a share of real rows; the other rows are extra rows.

    Real rows come in shuffled epochs. Extra rows are drawn by their weights; several kinds of them take turns. The
    ranks get the slots of a step in turn, so that each also gets its share of extra rows. The whole batch does not
    depend on the number of ranks.

    Args:
        streams: Real rows and, after them, the kinds of extra rows, if there are any.
        batch_size: Number of samples in a batch, over all ranks.
        mix: Mix of real and extra rows; it has no effect without extra rows.
        first: First step.
        steps: Step after the last one.
        seed: Random seed of the training run.
        cutmix: Share of the slots that get a donor: another slot of the batch, all equally likely.
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
        cutmix: float = 0.0,
    ) -> None:
        has_extra = len(streams) > 1
        self._real_rows = len(streams[0])
        self._batch_size = batch_size
        self._real_per_batch = mix.real_per_batch(batch_size) if has_extra else batch_size
        self._mixed_steps = mix.mixed_steps(steps)
        self._odds = [rows.weights() for rows in streams[1:]]
        self._first, self._steps, self._seed = first, steps, seed
        self._cutmix = cutmix

    def __len__(self) -> int:
        return self._steps - self._first

    def __iter__(self) -> Iterator[list[Slot]]:
        for step in range(self._first, self._steps):
            yield self.batch(step)[rank() :: world_size()]

    def batch(self, step: int) -> list[Slot]:
        """Return the slots of one step for all ranks."""
        mixed = min(step, self._mixed_steps)  # earlier steps with extra rows
        drawn_before = mixed * self._real_per_batch + (step - mixed) * self._batch_size
        count = self._real_per_batch if step < self._mixed_steps else self._batch_size
        rows = [(0, self._real_row(drawn_before + i)) for i in range(count)]
        if count < self._batch_size:
            rows += self._extra_rows(step, self._batch_size - count)
        slots = [Slot(stream, row, step, place) for place, (stream, row) in enumerate(rows)]
        return [self._with_donor(slot, slots) for slot in slots] if self._cutmix else slots

    def _extra_rows(self, step: int, count: int) -> list[tuple[int, int]]:
        """Return stream and row of the extra rows of a step; over the steps all streams have equal numbers of them."""
        turns = [(step * count + i) % len(self._odds) for i in range(count)]
        rows: list[tuple[int, int]] = []
        for kind, odds in enumerate(self._odds):
            # The rows of the first kind are those that it has as the only one.
            key: tuple[int | str, ...] = ("extra", step, kind) if kind else ("extra", step)
            rng = np.random.default_rng(key_seed(self._seed, *key))
            drawn = rng.choice(len(odds), size=turns.count(kind), p=odds)
            rows += [(1 + kind, int(row)) for row in drawn]
        return rows

    def _with_donor(self, slot: Slot, slots: list[Slot]) -> Slot:
        rng = np.random.default_rng(key_seed(self._seed, "donor", slot.step, slot.place))
        if rng.random() >= self._cutmix:
            return slot
        others = [other for other in slots if other.place != slot.place]
        return slot._replace(donor=others[rng.integers(len(others))])

    def _real_row(self, position: int) -> int:
        epoch, at = divmod(position, self._real_rows)
        rng = np.random.default_rng(key_seed(self._seed, "epoch", epoch))
        return int(rng.permutation(self._real_rows)[at])
