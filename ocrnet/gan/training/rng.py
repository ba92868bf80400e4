"""The random numbers of a batch: one row per image, independent of the number of processes."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ocrnet.distributed.ranks import rank, world_size
from ocrnet.runtime import keyed_generator


class BatchRng:
    """Draws rows for all images of a batch and returns the rows of this process's images.

    The processes get the images in turn, so image `i` of process `r` of `n` is image `r + i * n` of the batch.

    Args:
        key: Key that seeds the random numbers.
        count: Number of images in the whole batch.
    """

    def __init__(self, *key: int | str, count: int) -> None:
        self._key = key
        self._count = count
        self._generator = keyed_generator(*key)

    def uniform(self, columns: int) -> Float[Tensor, "B {columns}"]:
        """Draw numbers in [0, 1)."""
        return self._own(torch.rand(self._count, columns, generator=self._generator))

    def bits(self, columns: int) -> Bool[Tensor, "B {columns}"]:
        """Draw fair bits."""
        drawn = torch.randint(0, 2, (self._count, columns), generator=self._generator)
        return self._own(drawn).bool()

    def generators(self) -> list[torch.Generator]:
        """Return a separate generator for each image; each call returns generators with the same seeds."""
        return [
            keyed_generator(*self._key, "image", place)
            for place in range(rank(), self._count, world_size())
        ]

    @staticmethod
    def _own(rows: Tensor) -> Tensor:
        return rows[rank() :: world_size()]
