"""Holes in images: what a generator that paints holes sees of an image, and where it paints.

Such a generator gets four more channels: the image, with the colours around the hole in the place of the hole, and the
hole. It paints the hole; every other pixel of the result is that of the image. An image that is painted whole is one
hole.
"""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

CHANNELS = 4  # red, green and blue around the hole, and the hole
RIM = 3  # pixels around an object that are painted with it: its edges in a real image are soft


def with_rim(region: Bool[np.ndarray, "H W"], width: int) -> Bool[np.ndarray, "H W"]:
    """Return a region with a rim around it, whose width is in pixels."""
    side = 2 * width + 1
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.dilate(region.astype(np.uint8), disk) > 0)


def seen_channels(
    images: Float[Tensor, "B 3 H W"], holes: Bool[Tensor, "B 1 H W"]
) -> Float[Tensor, "B 4 H W"]:
    """Return what the generator sees of images with holes.

    Args:
        images: Images in [-1, 1].
        holes: Masks of the pixels that are painted.
    """
    known = (~holes).to(images.dtype)
    return torch.cat([_filled(images * known, known), 1 - known], dim=1)


def _filled(values: Tensor, weights: Tensor) -> Tensor:
    """Return values with those of weight 0 from the next coarser resolution where they are known; else 0."""
    size = values.shape[2:]
    if max(size) == 1:
        return values
    coarse_weights = F.avg_pool2d(weights, 2, ceil_mode=True)
    sums = F.avg_pool2d(values * weights, 2, ceil_mode=True)
    coarse = _filled(sums / coarse_weights.clamp(min=1e-6), coarse_weights)
    spread = F.interpolate(coarse, size=size, mode="bilinear", align_corners=False)
    return torch.where(weights > 0, values, spread)


def unseen_channels(like: Float[Tensor, "B _C H W"]) -> Float[Tensor, "B 4 H W"]:
    """Return what the generator sees of images that it paints whole, of the size and the kind of a tensor."""
    B, _, H, W = like.shape
    holes = torch.ones(B, 1, H, W, dtype=torch.bool, device=like.device)
    return seen_channels(like.new_zeros(B, 3, H, W), holes)


def fill_holes(
    painted: Float[Tensor, "B 3 H W"],
    images: Float[Tensor, "B 3 H W"],
    holes: Bool[Tensor, "B 1 H W"],
) -> Float[Tensor, "B 3 H W"]:
    """Return images with painted holes."""
    return torch.where(holes, painted, images)
