"""U-Net (arXiv:1505.04597): a built-in encoder, and a decoder with skip connections.

Differences from the paper: convolutions are padded, so that logits have the size of the image; each is followed by a
batch norm; features are resized bilinearly to the size of the skip connection, so that any image size works; the width
is an argument.
"""

from jaxtyping import Float
from torch import Tensor, cat, nn
from torch.nn import functional as F

from ocrnet.errors import ParamsError
from ocrnet.models.output import SegmentationModel, SegmenterOutput

LEVELS = 5
WIDTH_LEVEL = 2  # the level at a quarter of the image, whose width is `mid_channels`


class UNet(SegmentationModel):
    """A U-Net without backbone and auxiliary head; the width doubles from level to level.

    Args:
        num_classes: Number of classes in the logits.
        mid_channels: Width of the level at a quarter of the image, a multiple of 4: 256 in the paper.
        align_corners: Whether every bilinear resize aligns corners.

    Raises:
        ParamsError: `mid_channels` is not a multiple of 4.
    """

    def __init__(
        self, *, num_classes: int, mid_channels: int = 256, align_corners: bool = False
    ) -> None:
        super().__init__()
        if mid_channels % 2**WIDTH_LEVEL:
            raise ParamsError(
                f"model.mid_channels: {mid_channels} is no multiple of {2**WIDTH_LEVEL}, but the finest level of a "
                f"unet has a quarter of it. Set {max(1, round(mid_channels / 4)) * 4}."
            )
        self.align_corners = align_corners
        widths = [mid_channels * 2**level // 2**WIDTH_LEVEL for level in range(LEVELS)]
        self.down = nn.ModuleList(
            double_convolution(before, after)
            for before, after in zip([3, *widths], widths, strict=False)
        )
        self.narrow = nn.ModuleList(nn.Conv2d(2 * width, width, 1) for width in widths[:-1])
        self.up = nn.ModuleList(double_convolution(2 * width, width) for width in widths[:-1])
        self.classify = nn.Conv2d(widths[0], num_classes, 1)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> SegmenterOutput:
        """Return logits at the size of the images."""
        feats = images
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            feats = block(F.max_pool2d(feats, 2) if level else feats)
            skips.append(feats)
        for level in reversed(range(LEVELS - 1)):
            # A 1x1 convolution commutes with resizing; this order needs a quarter of the operations.
            narrowed = self.narrow[level](feats)
            raised = F.interpolate(
                narrowed,
                size=skips[level].shape[-2:],
                mode="bilinear",
                align_corners=self.align_corners,
            )
            feats = self.up[level](cat([skips[level], raised], dim=1))
        return SegmenterOutput(self.classify(feats), None)


def double_convolution(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return two convolutions of 3 x 3 pixels, each with a batch norm and a ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )
