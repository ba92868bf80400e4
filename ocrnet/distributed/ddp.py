"""Averaging of gradients over the ranks of a training."""

from contextlib import AbstractContextManager, nullcontext

from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ocrnet.distributed.ranks import is_distributed


def over_ranks(objective: nn.Module) -> nn.Module:
    """Return a module that averages the gradients over the ranks; the module itself for a single process.

    Before each forward DDP copies the buffers of rank 0, such as running statistics that are not synchronised.
    `find_unused_parameters` is needed because an auxiliary head whose loss has weight 0 gets no gradient. It also
    prevents DDP from forming other buckets after the first step, which would add gradients in another order than after
    a restart.
    """
    if not is_distributed():
        return objective
    return DistributedDataParallel(objective, find_unused_parameters=True)


def without_averaging(objective: nn.Module) -> AbstractContextManager[None]:
    """Return a context whose backward passes add to the gradients of this rank alone.

    The next backward pass outside averages the sums over the ranks.
    """
    if isinstance(objective, DistributedDataParallel):
        alone: AbstractContextManager[None] = objective.no_sync()
        return alone
    return nullcontext()
