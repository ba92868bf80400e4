"""Centre heat map and offsets: what tells the objects of a class apart (Panoptic-DeepLab, arXiv:1911.10194, Section 3).

The heat map is 1 at the centre of mass of each object and falls as a Gaussian; the offset of a pixel leads to the
centre of its object. The heads read the features before the OCR head, which mixes all pixels of a class.

Differs from the paper: there is no decoder of its own; a 1x1 convolution takes the backbone's levels to one width at
the size of the finest. Offsets are in units of 16 pixels, so that they and their loss are near 1.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ocrnet.models.backbones import LevelConv2d

WIDTH = 32  # of the last layers, as in the paper
KERNEL = 5


class InstanceHeads(nn.Module):
    """A heat map and two offsets per pixel, at the size of the first level.

    Args:
        in_channels: Sum of the channels of all levels.
        align_corners: Whether resizing of the levels aligns corners.
    """

    def __init__(self, in_channels: int, *, align_corners: bool) -> None:
        super().__init__()
        self.reduce = nn.Sequential(
            LevelConv2d(in_channels, 2 * WIDTH, 1, align_corners=align_corners),
            nn.BatchNorm2d(2 * WIDTH),
            nn.ReLU(inplace=True),
        )
        self.centre = _branch(1)
        self.offset = _branch(2)

    def forward(self, levels: list[Tensor]) -> Float[Tensor, "B 3 h w"]:
        """Return the heat of a centre, then row and column of the way to the centre in units of 16 pixels."""
        feats = self.reduce(levels)
        return torch.cat([self.centre(feats), self.offset(feats)], dim=1)


def _branch(count: int) -> nn.Sequential:
    """Return a depthwise 5x5 convolution, a 1x1 convolution, and one for the result."""
    return nn.Sequential(
        nn.Conv2d(2 * WIDTH, 2 * WIDTH, KERNEL, padding=KERNEL // 2, groups=2 * WIDTH, bias=False),
        nn.BatchNorm2d(2 * WIDTH),
        nn.ReLU(inplace=True),
        nn.Conv2d(2 * WIDTH, WIDTH, 1, bias=False),
        nn.BatchNorm2d(WIDTH),
        nn.ReLU(inplace=True),
        nn.Conv2d(WIDTH, count, 1),
    )
