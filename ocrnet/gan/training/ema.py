"""The moving average of the generator, which is the one that is kept."""

import copy
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from ocrnet.gan.generator.network import Generator


def ema_decay(step: int, *, limit: float) -> float:
    """Return the decay at a step counted from 0: small at first, so that the untrained weights are soon forgotten."""
    return min(limit, (1 + step) / (10 + step))


class Ema:
    """An exponential moving average of a generator's weights.

    Buffers are copied and not averaged: an average of two spectral-norm vectors is no singular vector, and the
    statistics of batch norm belong to the weights that made them. `estimate_statistics` computes these anew at
    the end.
    """

    def __init__(self, generator: Generator, *, limit: float) -> None:
        self.generator = copy.deepcopy(generator).requires_grad_(requires_grad=False).eval()
        self._limit = limit

    @torch.no_grad()
    def update(self, generator: Generator, step: int) -> None:
        """Move the average towards the weights that `step`, counted from 0, left."""
        decay = ema_decay(step, limit=self._limit)
        pairs = zip(self.generator.parameters(), generator.parameters(), strict=True)
        for average, weight in pairs:
            average.lerp_(weight, 1 - decay)
        for kept, buffer in zip(self.generator.buffers(), generator.buffers(), strict=True):
            kept.copy_(buffer)


@torch.no_grad()
def estimate_statistics(generator: Generator, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Set the batch-norm statistics to their plain average over batches of (label maps, z).

    All processes take part, each with its share of every batch.
    """
    norms = [module for module in generator.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average
        norm.train()
    for label_maps, z in batches:
        generator(label_maps, z)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()
