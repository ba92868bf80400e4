"""Levels finer than those of a backbone, made from the image itself: what a decoder joins last.

Most backbones end at stride 2 or 4. A decoder that is to give logits at stride 1 needs features there, and one
convolution of the image is the cheapest that shows where the edges of thin objects are.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

WIDTH = 16
FINEST_STRIDE = 2  # of the levels that a decoder joins, where the params do not say
STRIDES = (1, 2)  # values of `model.decoder_stride` beside auto, which means the backbone's finest


class ImageLevels(nn.Module):
    """The levels that a backbone lacks, the finest first; none if it has a level that is fine enough.

    Args:
        strides: Strides of the backbone's levels in pixels.
        finest: Stride of the finest level that the decoder joins; None: that of the backbone's finest.

    Attributes:
        channels: Channels of each level.
    """

    def __init__(self, strides: Sequence[int | float], finest: int | None) -> None:
        super().__init__()
        missing = [
            stride for stride in STRIDES if finest is not None and finest <= stride < min(strides)
        ]
        self.layers = nn.ModuleList(_level(stride) for stride in missing)
        self.channels = (WIDTH,) * len(missing)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        """Return the levels, each of ceil(side / stride) pixels a side."""
        return [layer(images) for layer in self.layers]


def _level(stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, WIDTH, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(WIDTH),
        nn.ReLU(inplace=True),
    )
