"""The group of processes (ranks) of a training; a single process is a group of one.

Every rank computes the loss of the whole batch: `sum_over_ranks` is differentiable and also sums the gradient, so
that the mean of the ranks' gradients, which DDP computes, is the gradient of that loss.
"""

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor

from ocrnet.errors import ParamsError


def rank() -> int:
    """Return the number of this process, from 0; only rank 0 writes files and logs."""
    return dist.get_rank() if is_distributed() else 0


def world_size() -> int:
    """Return the number of processes."""
    return dist.get_world_size() if is_distributed() else 1


def is_distributed() -> bool:
    """Return whether this process belongs to a group of several."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def check_world_size(section: str, processes: int) -> None:
    """Refuse a training whose number of processes differs from its params.

    Args:
        section: Section of the params that sets the number of processes.
        processes: Number of processes in the params.

    Raises:
        ParamsError: The group has another number of processes.
    """
    if world_size() != processes:
        raise ParamsError(
            f"params.yaml: {section}.processes: found {processes}, but {world_size()} processes run this training. "
            f"Run the stage, which starts all of them, or set {section}.processes to {world_size()}."
        )


def sum_over_ranks(value: Tensor) -> Tensor:
    """Return the sum of a tensor over all ranks, the same on each rank; differentiable."""
    if not is_distributed():
        return value
    summed: Tensor = _Sum.apply(value)
    return summed


class _Sum(torch.autograd.Function):
    """All-reduce by summing, forward and backward."""

    @staticmethod
    def forward(ctx: object, value: Tensor) -> Tensor:
        """Sum the values."""
        total = value.detach().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        """Sum the gradients: each rank's output depends on this rank's value."""
        total = gradient.detach().clone().contiguous()
        dist.all_reduce(total)
        return total


def gather_over_ranks(value: Tensor) -> Tensor:
    """Return the vectors of all ranks, joined in the order of ranks, without gradient; lengths may differ."""
    if not is_distributed():
        return value.detach()
    length = torch.tensor([value.numel()], device=value.device)
    lengths = [torch.zeros_like(length) for _ in range(world_size())]
    dist.all_gather(lengths, length)
    longest = max(int(n) for n in lengths)
    padded = value.detach().new_zeros(longest)
    padded[: value.numel()] = value.detach()
    parts = [torch.zeros_like(padded) for _ in range(world_size())]
    dist.all_gather(parts, padded)
    return torch.cat([part[: int(n)] for part, n in zip(parts, lengths, strict=True)])


def gather_names(names: list[str]) -> list[str]:
    """Return the names of all items of a batch, in its order; the ranks got the items in turn."""
    if not is_distributed():
        return names
    parts: list[list[str] | None] = [None] * world_size()
    dist.all_gather_object(parts, names)
    return [name for turn in zip(*(part or [] for part in parts), strict=True) for name in turn]


@torch.no_grad()
def copy_from_first(values: Iterable[Tensor]) -> None:
    """Overwrite tensors with the tensors of rank 0, in place."""
    if is_distributed():
        for value in values:
            dist.broadcast(value, src=0)
