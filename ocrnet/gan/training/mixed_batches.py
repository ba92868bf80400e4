"""Batches of labelled pairs and, in the first steps, of unlabelled images with pseudo-labels.

The training begins with both and ends on labelled images alone, so that the last word is not that of labels that a
model guessed. The labelled images come in the same shuffled epochs as without the others.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ocrnet.config import TrainGanParams
from ocrnet.distributed.ranks import rank, world_size
from ocrnet.gan.training.batches import Batch, Pairs


class MixedPairs:
    """The pairs that a GAN learns from.

    Args:
        labelled: Labelled pairs.
        pseudo: Pairs with pseudo-labels; None if the GAN sees labelled images alone.
        params: Params of the training.
    """

    def __init__(self, labelled: Pairs, pseudo: Pairs | None, params: TrainGanParams) -> None:
        self._labelled, self._pseudo = labelled, pseudo
        self._params = params
        self._mixed_steps = 0 if pseudo is None else params.mixed_steps

    def batch(self, step: int, *, size: tuple[int, int]) -> Batch:
        """Return the batch of a step or, with several processes, this process's share of it.

        Args:
            step: Step, counted from 0.
            size: Height and width of the windows in pixels.
        """
        params = self._params
        places = range(rank(), params.batch_size, world_size())
        drawn: dict[str, Any] = {
            "seed": params.seed, "size": size, "flip": params.flip, "rare_crops": params.rare_crops,
            "holes": params.holes,
        }  # fmt: skip
        parts = [pairs.draw(own, **drawn) for pairs, own in self.positions(step, places) if own]
        return parts[0] if len(parts) == 1 else joined(parts)

    def positions(self, step: int, places: Sequence[int]) -> list[tuple[Pairs, list[int]]]:
        """Return the positions of some places of a step's batch, first the labelled ones, each with its pairs."""
        params = self._params
        count, extra = params.batch_size, params.pseudo_per_batch
        mixed = min(step, self._mixed_steps)  # earlier steps with pseudo-labels
        before = mixed * (count - extra) + (step - mixed) * count
        labelled = count - extra if step < self._mixed_steps else count
        found = [(self._labelled, [before + place for place in places if place < labelled])]
        if self._pseudo is not None:
            own = [step * extra + place - labelled for place in places if place >= labelled]
            found.append((self._pseudo, own))
        return found


def joined(parts: Sequence[Batch]) -> Batch:
    """Return several batches as one; pixels of a batch without weights have the weight 1 if others have some."""
    weights: Tensor | None = None
    if any(part.weights is not None for part in parts):
        weights = torch.cat([_weights(part) for part in parts])
    holes = [part.holes for part in parts if part.holes is not None]
    return Batch(
        tuple(name for part in parts for name in part.ids),
        torch.cat([part.images for part in parts]),
        torch.cat([part.label_maps for part in parts]),
        weights,
        torch.cat(holes) if holes else None,
    )


def _weights(part: Batch) -> Tensor:
    if part.weights is None:
        return torch.ones(part.label_maps.shape)
    return part.weights
