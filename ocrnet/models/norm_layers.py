"""Norms that replace a model's batch norms, with the same parameter names."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ocrnet.distributed.sync_norms import NormTail, batch_norm_like, exchange_norms
from ocrnet.errors import ParamsError

MOST_GROUPS = 32
LEAST_GROUP = 2  # channels; a group of one channel would be zero on a map of one pixel


class GroupNorm2d(nn.GroupNorm, NormTail):
    """Group norm in place of a batch norm: its statistics are per image."""

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Return the normed features."""
        return self.finish(super().forward(input))


class FrozenBatchNorm2d(nn.BatchNorm2d, NormTail):
    """Batch norm that also uses its running statistics in training and has no trained parameters."""

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Return the normed features."""
        normed = F.batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )
        return self.finish(normed)


def keep_batch_norms(model: nn.Module) -> None:
    """Keep the batch norms."""


def group_norms(model: nn.Module) -> None:
    """Replace each batch norm by a group norm with the same initial scale and shift."""
    exchange_norms(model, _group_norm_like)


def freeze_backbone_norms(model: nn.Module) -> None:
    """Freeze the backbone's batch norms, but not the norms of the heads, which start from random weights.

    Raises:
        ParamsError: The model has no backbone.
    """
    backbone = getattr(model, "backbone", None)
    if not isinstance(backbone, nn.Module):
        raise ParamsError(
            f"params.yaml: model.norm: frozen needs a pretrained backbone, but {type(model).__name__} has none. "
            "Set batch, sync or group."
        )
    exchange_norms(backbone, _frozen_like)


def _frozen_like(norm: nn.BatchNorm2d) -> nn.Module:
    frozen = batch_norm_like(FrozenBatchNorm2d, norm)
    for weight in (frozen.weight, frozen.bias):
        if weight is not None:
            weight.requires_grad = False
    return frozen


def _group_norm_like(norm: nn.BatchNorm2d) -> nn.Module:
    new = GroupNorm2d(
        number_of_groups(norm.num_features), norm.num_features, norm.eps, affine=norm.affine
    )
    new.weight, new.bias = norm.weight, norm.bias
    new.take_tail(norm)
    return new


def number_of_groups(channels: int) -> int:
    """Return the largest divisor of the channels that is at most 32 and gives each group two channels or more."""
    most = max(1, min(MOST_GROUPS, channels // LEAST_GROUP))
    return next(groups for groups in range(most, 0, -1) if channels % groups == 0)
