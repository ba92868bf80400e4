"""Detection on a quarter of the shared features, and a query per object that attends to the pixels and gives its mask.

The shared features are the levels of the backbone. Of each level's channels, a quarter goes to detection and the rest
to the semantic heads. For each cell of the finest level the heads give

    heat       logit of "the middle of an object of this class is here" (CenterNet, arXiv:1904.07850, Section 3)
    sides      way to the top, left, bottom and right side of its box (FCOS, arXiv:1904.01355, Section 3.1)
    query      q, a linear function of the detection features of the cell
    key        k, a function of the features of all channels

The query at the middle of an object meets the key of each pixel p in the neighbourhood of its box:

    mask_p = sigmoid(q_1 . k_p / sqrt(E) + q_2 . phi_p),    phi_p = (1, y, x, y^2, x^2)

where y and x run from -1 to 1 over the box. A query that has learned nothing gives the ellipse in the box.

Differs from the sources: CenterNet regresses size and offset of the centre, FCOS has boxes at all pixels of an object.
The mask is one product and not the dynamic convolutions of CondInst (arXiv:2003.05664), whose relative positions it
has. Attention is a sigmoid per pixel, not a softmax over them, since a mask has many pixels. It is computed inside the
neighbourhoods of the objects that are kept, so no other mask is ever in memory.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ocrnet.models.backbones import LevelConv2d
from ocrnet.models.output import OFFSET_UNIT
from ocrnet.models.shares import detection_channels, detection_share

WIDTH = 64  # of the detection features
EMBEDDING = 16  # channels of a key
POSITIONS = 5  # components of phi
QUERY = EMBEDDING + POSITIONS  # channels of a query
ELLIPSE = (2.0, 0.0, 0.0, -2.0, -2.0)  # first q_2: 0 where y^2 + x^2 = 1
FIRST_HEAT = 0.1  # of every cell, so that the many empty ones do not rule the first steps
ENLARGED = 1.5  # side of a neighbourhood / side of its box


class ObjectMaps(NamedTuple):
    """The maps of the heads, cell by cell."""

    heat: Float[Tensor, "*B K h w"]
    sides: Float[Tensor, "*B 4 h w"]
    queries: Float[Tensor, "*B Q h w"]
    keys: Float[Tensor, "*B E h w"]


class Detections(NamedTuple):
    """The maps of attention heads, and where their cells lie in the result.

    Args:
        maps: Heat, sides, queries and keys of each cell.
        cell: Height and width of a cell in pixels of the result.
        scale: Pixels of the result per pixel of the network's image, in height and in width.
        members: Number of networks; queries and keys have EMBEDDING channels of each.
    """

    maps: Float[np.ndarray, "D h w"]
    cell: tuple[float, float]
    scale: tuple[float, float]
    members: int = 1

    @property
    def parts(self) -> list[Float[np.ndarray, "N h w"]]:
        """Heat, sides, queries and keys."""
        keys = self.members * EMBEDDING
        classes = len(self.maps) - 4 - POSITIONS - 2 * keys
        return np.split(self.maps, np.cumsum([classes, 4, keys + POSITIONS]))


def join_detections(found: Sequence[Detections]) -> Detections | None:
    """Return the maps of several networks as those of one; None if their cells are not the same.

    Heat and sides are means over the networks. An embedding has a meaning in its own network alone: queries and keys
    stand one after the other, the keys divided by the number M of networks. So the logit of a mask is the mean of M,

        sum_m q_m . (k_m / M) = mean_m (q_m . k_m)

    and so is its part by position, as q_2 is a mean.
    """
    first, count = found[0], len(found)
    if any(one.cell != first.cell or one.maps.shape[1:] != first.maps.shape[1:] for one in found):
        return None
    heat, sides, queries, keys = zip(*(one.parts for one in found), strict=True)
    return first._replace(
        maps=np.concatenate([
            np.mean(heat, axis=0), np.mean(sides, axis=0), *(query[:EMBEDDING] for query in queries),
            np.mean([query[EMBEDDING:] for query in queries], axis=0), *(key / count for key in keys),
        ]),
        members=count,
    )  # fmt: skip


class AttentionHeads(nn.Module):
    """Heat, sides, query and key of each cell of the first level.

    Args:
        channels: Channels of each level.
        num_classes: Number of classes in the heat.
        align_corners: Whether resizing of the levels aligns corners.
    """

    def __init__(self, channels: tuple[int, ...], num_classes: int, *, align_corners: bool) -> None:
        super().__init__()
        shares = sum(detection_channels(count) for count in channels)
        self.reduce = nn.Sequential(
            LevelConv2d(shares, WIDTH, 1, align_corners=align_corners),
            nn.BatchNorm2d(WIDTH),
            nn.ReLU(inplace=True),
        )
        self.heat = _branch(num_classes)
        self.sides = _branch(4)
        self.query = nn.Conv2d(WIDTH, QUERY, 1)
        self.key = nn.Sequential(
            LevelConv2d(sum(channels), 2 * EMBEDDING, 1, align_corners=align_corners),
            nn.BatchNorm2d(2 * EMBEDDING),
            nn.ReLU(inplace=True),
            nn.Conv2d(2 * EMBEDDING, EMBEDDING, 1),
        )
        last, bias = self.heat[-1].bias, self.query.bias
        assert isinstance(last, Tensor)
        assert bias is not None
        with torch.no_grad():
            last.fill_(math.log(FIRST_HEAT / (1 - FIRST_HEAT)))
            bias[EMBEDDING:] = torch.tensor(ELLIPSE)

    def forward(self, levels: list[Tensor]) -> Float[Tensor, "B D h w"]:
        """Return the maps of `ObjectMaps`, one after the other, from all channels of the levels."""
        feats = self.reduce(detection_share(levels))
        parts = [self.heat(feats), self.sides(feats), self.query(feats)]
        del feats  # the widest map, before the next one is made
        parts.append(self.key(levels))
        return torch.cat(parts, dim=1)


def object_maps(maps: Float[Tensor, "*B D h w"]) -> ObjectMaps:
    """Return the parts of the result of `AttentionHeads`."""
    sizes = [4, QUERY, EMBEDDING]
    return ObjectMaps(*torch.split(maps, [maps.shape[-3] - sum(sizes), *sizes], dim=-3))


def mask_logits(
    queries: Float[Tensor, "N Q"],
    keys: Float[Tensor, "N E R R2"],
    places: Float[Tensor, "N 2 R R2"],
) -> Float[Tensor, "N R R2"]:
    """Return the logit of each pixel of the neighbourhood of each object.

    Args:
        queries: Query of each object.
        keys: Keys of the pixels.
        places: Row and column of the pixels, from -1 to 1 over the box.
    """
    ones = torch.ones_like(places[:, :1])
    phi = torch.cat([ones, places, places**2], dim=1)
    scaled = torch.cat([queries[:, :EMBEDDING] * EMBEDDING**-0.5, queries[:, EMBEDDING:]], dim=1)
    return torch.einsum("nc,nchw->nhw", scaled, torch.cat([keys, phi], dim=1))


def box_sides(sides: Float[Tensor, "N 4"]) -> Float[Tensor, "N 4"]:
    """Return the ways to the top, left, bottom and right side in pixels, all above 0."""
    return OFFSET_UNIT * F.softplus(sides)


def _branch(count: int) -> nn.Sequential:
    """Return a depthwise 5x5 convolution, a 1x1 convolution, and one for the result."""
    return nn.Sequential(
        nn.Conv2d(WIDTH, WIDTH, 5, padding=2, groups=WIDTH, bias=False),
        nn.BatchNorm2d(WIDTH),
        nn.ReLU(inplace=True),
        nn.Conv2d(WIDTH, WIDTH // 2, 1, bias=False),
        nn.BatchNorm2d(WIDTH // 2),
        nn.ReLU(inplace=True),
        nn.Conv2d(WIDTH // 2, count, 1),
    )
