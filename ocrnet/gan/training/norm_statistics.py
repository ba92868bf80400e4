"""Recomputation of the batch-norm statistics of the averaged generator."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from ocrnet.gan.generator.network import Generator


@torch.no_grad()
def estimate_statistics(generator: Generator, batches: Iterable[tuple[Tensor, ...]]) -> None:
    """Set the batch-norm statistics to their unweighted average over batches of the generator's inputs.

    All processes call it, each with its share of every batch.
    """
    norms = [module for module in generator.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch then computes an unweighted average
        norm.train()
    for inputs in batches:
        generator(*inputs)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()
