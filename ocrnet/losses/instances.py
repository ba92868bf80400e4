"""The loss of centre heat map and offsets (Panoptic-DeepLab, arXiv:1911.10194, Section 3.3).

    L = centre_weight * mean((heat - target)^2) + offset_weight * mean over thing pixels of |offset - target|

The first mean is over all pixels that are not ignored; offsets are in the network's units, and the second mean is over
both of them. Targets are those of the visible pixels: an object that a crop cuts has its centre in the visible part.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor

from ocrnet.losses.base import Weights, on_pixels, ratio_over_ranks

UNKNOWN = -1  # number of a pixel in an image whose objects are not known
_AT_ONCE = 32  # objects


class InstanceTargets(NamedTuple):
    """What the heads should give.

    Args:
        heat: Heat of a centre, in [0, 1].
        offsets: Row and column of the way to the centre, in pixels; 0 outside objects.
        known: Whether the objects at a pixel are known.
        inside: Whether a pixel is in an object.
    """

    heat: Float[Tensor, "B H W"]
    offsets: Float[Tensor, "B 2 H W"]
    known: Bool[Tensor, "B H W"]
    inside: Bool[Tensor, "B H W"]


def instance_targets(numbers: Integer[Tensor, "B H W"], *, sigma: float) -> InstanceTargets:
    """Return the targets of instance maps.

    Args:
        numbers: Number of the object at each pixel, 0 for none, -1 where objects are not known.
        sigma: Standard deviation of the heat around a centre, in pixels.
    """
    parts = [_targets(one, sigma) for one in numbers]
    heat, offsets = (torch.stack(both) for both in zip(*parts, strict=True))
    return InstanceTargets(heat, offsets, numbers != UNKNOWN, numbers > 0)


def _targets(
    numbers: Integer[Tensor, "H W"], sigma: float
) -> tuple[Float[Tensor, "H W"], Float[Tensor, "2 H W"]]:
    height, width = numbers.shape
    rows = torch.arange(height, device=numbers.device, dtype=torch.float32)
    columns = torch.arange(width, device=numbers.device, dtype=torch.float32)
    heat = torch.zeros(height, width, device=numbers.device)
    offsets = torch.zeros(2, height, width, device=numbers.device)
    inside = numbers > 0
    if not inside.any():
        return heat, offsets
    found, index = torch.unique(numbers[inside], return_inverse=True)
    at = torch.nonzero(inside).float()
    count = torch.bincount(index, minlength=len(found)).float()
    sums = torch.zeros(len(found), 2, device=numbers.device).index_add_(0, index, at)
    centres = sums / count[:, None]
    offsets[:, inside] = (centres[index] - at).T
    for few in torch.split(centres, _AT_ONCE):
        down = torch.exp(-((rows - few[:, :1]) ** 2) / (2 * sigma**2))
        right = torch.exp(-((columns - few[:, 1:]) ** 2) / (2 * sigma**2))
        heat = torch.maximum(heat, (down[:, :, None] * right[:, None]).amax(dim=0))
    return heat, offsets


def instance_loss(
    maps: Float[Tensor, "B 3 H W"],
    targets: InstanceTargets,
    valid: Bool[Tensor, "B H W"],
    sample_weights: Weights,
    *,
    unit: float,
    whole: tuple[Tensor, Tensor] | None = None,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Return the loss of the heat map and that of the offsets, over all ranks.

    Args:
        maps: Result of the heads, at the size of the label maps.
        targets: Targets of the maps.
        valid: Pixels that are not ignored.
        sample_weights: Weight of each image or of each pixel.
        unit: Unit of the offsets in the maps, in pixels.
        whole: Weights of the batch that the maps are a part of, as `pixel_weights` returns them; None if they are the
            batch. The results of all parts add up.
    """
    everywhere, inside = weight_maps(targets.known, targets.inside, valid, sample_weights)
    totals = (everywhere.sum(), inside.sum()) if whole is None else whole
    heat, offsets = maps[:, 0].float(), maps[:, 1:].float()
    squares = (everywhere * (heat - targets.heat) ** 2).sum()
    ways = (inside * (offsets - targets.offsets / unit).abs().mean(dim=1)).sum()
    return ratio_over_ranks(squares, totals[0]), ratio_over_ranks(ways, totals[1])


def weight_maps(
    known: Bool[Tensor, "B H W"],
    inside: Bool[Tensor, "B H W"],
    valid: Bool[Tensor, "B H W"],
    sample_weights: Weights,
) -> tuple[Float[Tensor, "B H W"], Float[Tensor, "B H W"]]:
    """Return the weight of each pixel in the loss of the heat map and in that of the offsets."""
    everywhere = (known & valid) * on_pixels(sample_weights).float()
    return everywhere, everywhere * inside
