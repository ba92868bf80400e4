"""The levels that a decoder joins, from the deepest of a backbone to the finest, and the widths of its blocks.

The finest levels may be made from the image itself: most backbones end at stride 2 or 4. A decoder that is to give
logits at stride 1 needs features there, and one convolution of the image is the cheapest that shows where the edges of
thin objects are.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from ocrnet.models.backbones import HRNetBackbone, PyramidBackbone, build_backbone

WIDTH = 16  # of a level that is made from the image
# Width of the fine blocks of a decoder. On the demo set, at a rate of 0.003, 150 steps of `ocr_cascade` reach a
# validation mIoU of 0.65 with 32 and of 0.68 with 64, which takes 1.5 times as long per step; 16 is far behind
# (docs/experiments.md).
LEAST_WIDTH = 32
FINEST_STRIDE = 2  # of the levels that a decoder joins, where the params do not say
STRIDES = (1, 2)  # values of `model.decoder_stride` beside auto, which means the backbone's finest


def build_pyramid(
    backbone: str, *, align_corners: bool, decoder_stride: int | None
) -> HRNetBackbone | PyramidBackbone:
    """Build a backbone whose levels a decoder joins.

    Args:
        backbone: Name of a timm model that returns feature maps.
        align_corners: Whether every bilinear resize aligns corners.
        decoder_stride: Stride of the logits in pixels, 1 or 2; None: that of the backbone's finest level, 2 or more.

    Raises:
        ParamsError: The backbone has no pyramid.
    """
    net = build_backbone(
        backbone, align_corners=align_corners, stride="pyramid", finest=decoder_stride or FINEST_STRIDE
    )  # fmt: skip
    assert isinstance(net, HRNetBackbone | PyramidBackbone)
    return net


def block_widths(deepest: int, count: int) -> list[int]:
    """Return the widths of so many blocks, the deepest first: each is half of the one before, down to `LEAST_WIDTH`.

    Examples:
        >>> block_widths(128, 4), block_widths(24, 2)
        ([128, 64, 32, 32], [24, 24])
    """
    least = min(LEAST_WIDTH, deepest)
    return [max(least, deepest >> i) for i in range(count)]


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
