"""The losses of detected objects: heat of their middles, sides of their boxes, masks in the neighbourhood of boxes.

    heat    -1/N sum over cells of (1 - p)^2 log p                    where the target t is 1,
                                   (1 - t)^4 p^2 log(1 - p)           elsewhere (CornerNet, arXiv:1808.01244, Eq. 1)
    box     1/N sum over objects of 1 - (IoU - (hull - union) / hull) (GIoU, arXiv:1902.09630, Algorithm 1)
    mask    1/N sum over objects of the mean cross-entropy + 1 - (2 sum p t + 1) / (sum p + sum t + 1)   (Dice)

N is the number of objects, weighted. In a batch without objects the heat's loss is the sum. Differs from CornerNet: the
width of the Gaussian is the same for all objects.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def heat_loss(
    logits: Float[Tensor, "B K h w"],
    targets: Float[Tensor, "B K h w"],
    weights: Float[Tensor, "B h w"],
) -> Float[Tensor, ""]:
    """Return the sum of the focal loss that is reduced near middles, before it is divided by N."""
    heat = torch.sigmoid(logits)
    hits = -((1 - heat) ** 2) * F.logsigmoid(logits)
    misses = -((1 - targets) ** 4) * heat**2 * F.logsigmoid(-logits)
    return (torch.where(targets == 1, hits, misses) * weights[:, None]).sum()


def box_losses(boxes: Float[Tensor, "N 4"], targets: Float[Tensor, "N 4"]) -> Float[Tensor, " N"]:
    """Return 1 - GIoU of each box, from 0 to 2.

    Args:
        boxes: Top, left, bottom and right side.
        targets: True boxes, which are not empty.
    """
    shared = _area(
        torch.cat([torch.maximum(boxes, targets)[:, :2], torch.minimum(boxes, targets)[:, 2:]], 1)
    )
    hull = _area(
        torch.cat([torch.minimum(boxes, targets)[:, :2], torch.maximum(boxes, targets)[:, 2:]], 1)
    )
    union = _area(boxes) + _area(targets) - shared
    return 1 - (shared / union - (hull - union) / hull)


def mask_losses(
    logits: Float[Tensor, "N R R"], targets: Float[Tensor, "N R R"], inside: Float[Tensor, "N R R"]
) -> Float[Tensor, " N"]:
    """Return cross-entropy plus Dice loss of each mask, over the points that are inside the image and not ignored."""
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none") * inside
    mean = entropy.sum((1, 2)) / inside.sum((1, 2)).clamp(min=1)
    mask, target = torch.sigmoid(logits) * inside, targets * inside
    both = (mask * target).sum((1, 2))
    return mean + 1 - (2 * both + 1) / (mask.sum((1, 2)) + target.sum((1, 2)) + 1)


def _area(boxes: Float[Tensor, "N 4"]) -> Float[Tensor, " N"]:
    height, width = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).unbind(dim=1)
    return height * width
