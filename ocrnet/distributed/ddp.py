"""Averaging of gradients over the ranks of a training."""

from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ocrnet.distributed.ranks import is_distributed


def over_ranks(objective: nn.Module) -> nn.Module:
    """Average the gradients over the ranks, where there are several.

    Before each forward DDP copies the buffers of rank 0: running statistics that are not synchronised are rank 0's.
    `find_unused_parameters`: an auxiliary head whose loss has weight 0 gets no gradient. It also keeps DDP from
    forming other buckets after the first step, which would add gradients in another order than after a restart.
    """
    if not is_distributed():
        return objective
    return DistributedDataParallel(objective, find_unused_parameters=True)
