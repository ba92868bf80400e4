"""Batch norms with the statistics of the images of all processes, and how norms of a model are exchanged."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ocrnet.distributed.ranks import is_distributed, sum_over_ranks

logger = logging.getLogger(__name__)


class NormTail(nn.Module):
    """The dropout and activation after some of timm's norms; plain norms have none.

    Attributes:
        drop: Dropout.
        act: Activation.
    """

    drop: nn.Module
    act: nn.Module

    def take_tail(self, norm: nn.Module) -> None:
        """Copy the dropout and the activation of `norm`."""
        self.drop = getattr(norm, "drop", nn.Identity())
        self.act = getattr(norm, "act", nn.Identity())

    def finish(self, normed: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Apply dropout and activation."""
        finished: Tensor = self.act(self.drop(normed))
        return finished


class SyncBatchNorm2d(nn.modules.batchnorm._BatchNorm, NormTail):
    """Batch norm with the statistics of the images of all processes.

    On a CUDA device it is torch's, which works only there; on a CPU this class computes the sums. In a single process
    it is a plain batch norm.
    """

    process_group = None  # means all processes; torch's forward reads it
    _check_input_dim = nn.SyncBatchNorm._check_input_dim
    _check_non_zero_input_channels = nn.SyncBatchNorm._check_non_zero_input_channels

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Return the normed features."""
        if input.is_cuda:
            return self.finish(nn.SyncBatchNorm.forward(self, input))  # type: ignore[arg-type]
        if self.training and is_distributed():
            return self.finish(self._norm(input))
        return self.finish(super().forward(input))

    def _norm(self, feats: Tensor) -> Tensor:
        values = feats.to(torch.promote_types(feats.dtype, torch.float32))
        here = values.new_tensor([values.numel() / values.shape[1]])
        sums = sum_over_ranks(torch.cat([values.sum(dim=(0, 2, 3)), here]))
        count = sums[-1].detach()
        mean = sums[:-1] / count
        # Two passes: the sum of squares minus the square of the sum loses digits if the mean is far from 0.
        centred = values - mean.view(1, -1, 1, 1)
        variance = sum_over_ranks(centred.square().sum(dim=(0, 2, 3))) / count
        self._track(mean.detach(), variance.detach() * count / (count - 1))
        scale = torch.rsqrt(variance + self.eps)
        if self.affine:
            return (
                centred * (scale * self.weight).view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)
            ).to(feats.dtype)
        return (centred * scale.view(1, -1, 1, 1)).to(feats.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics towards the statistics of this batch."""
        if self.running_mean is None or self.running_var is None or not self.track_running_stats:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        share = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


NormLike = TypeVar("NormLike", bound=NormTail)


def synchronise_norms(model: nn.Module) -> None:
    """Replace the batch norms by norms with the statistics of all processes."""
    exchange_norms(model, lambda norm: batch_norm_like(SyncBatchNorm2d, norm))


def exchange_norms(model: nn.Module, build: Callable[[nn.BatchNorm2d], nn.Module]) -> None:
    """Replace each batch norm of a model by what `build` makes of it."""
    built: dict[nn.BatchNorm2d, nn.Module] = {}
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                parent.add_module(name, built.setdefault(child, build(child)))
    if not built:
        logger.warning("model.norm has no effect: %s has no batch norm", type(model).__name__)


def batch_norm_like(kind: Callable[..., NormLike], norm: nn.BatchNorm2d) -> NormLike:
    """Return a norm of another kind, such as `SyncBatchNorm2d`, with the weights and statistics of a batch norm."""
    new: Any = kind(
        norm.num_features,
        norm.eps,
        norm.momentum,
        affine=norm.affine,
        track_running_stats=norm.track_running_stats,
    )
    new.weight, new.bias = norm.weight, norm.bias
    new.running_mean, new.running_var = norm.running_mean, norm.running_var
    new.num_batches_tracked = norm.num_batches_tracked
    new.take_tail(norm)
    made: NormLike = new
    return made
