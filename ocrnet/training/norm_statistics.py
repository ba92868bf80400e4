"""Batch norms that use the statistics of their batch and leave the running ones alone."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def kept_statistics(model: nn.Module) -> Iterator[None]:
    """Keep the running statistics of a model's batch norms as they are inside the block.

    Strongly changed images would move them away from the images that the model is used on.
    """
    norms = [
        module
        for module in model.modules()
        if isinstance(module, _BatchNorm) and module.track_running_stats
    ]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
