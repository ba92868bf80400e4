"""A U-Net (arXiv:1505.04597) whose encoder is a backbone of timm, so that it can start from pretrained weights.

It is the rival of `ocr_cascade`: both decode the same levels of the same backbone, from the deepest to the finest, with
the same widths. The difference is what a U-Net does not have: object-contextual representations on the deep levels and
an auxiliary head.

    d_0 = level_n,    d_i = conv3x3(conv3x3([level_(n-i), up(d_(i-1))])),    logits = conv1x1(d_n)

Differs from the paper: the encoder; convolutions are padded and have a batch norm; features are resized bilinearly to
the size of the skip connection, so that any image size works.
"""

from jaxtyping import Float
from torch import Tensor, cat, nn
from torch.nn import functional as F

from ocrnet.models.decoder_levels import ImageLevels, block_widths, build_pyramid
from ocrnet.models.output import SegmentationModel, SegmenterOutput
from ocrnet.models.unet import double_convolution


class BackboneUNet(SegmentationModel):
    """A backbone with the decoder of a U-Net, without auxiliary head.

    Args:
        backbone: Name of a timm model that returns feature maps.
        num_classes: Number of classes in the logits.
        mid_channels: Width of the deepest block of the decoder; it halves with each level, down to `LEAST_WIDTH`.
        align_corners: Whether every bilinear resize aligns corners.
        decoder_stride: Stride of the logits in pixels, 1 or 2; None: that of the backbone's finest level, 2 or more.

    Raises:
        ParamsError: The backbone has no pyramid.
    """

    def __init__(
        self,
        *,
        backbone: str,
        num_classes: int,
        mid_channels: int = 256,
        align_corners: bool = False,
        decoder_stride: int | None = None,
    ) -> None:
        super().__init__()
        self.align_corners = align_corners
        net = build_pyramid(backbone, align_corners=align_corners, decoder_stride=decoder_stride)
        self.backbone = net
        self.image_levels = ImageLevels(net.strides, decoder_stride)
        levels: list[int] = [*self.image_levels.channels, *net.channels]
        *skips, deepest = levels
        widths = block_widths(mid_channels, len(skips))
        self.blocks = nn.ModuleList(
            double_convolution(skip + before, width)
            for skip, before, width in zip(
                reversed(skips), [deepest, *widths], widths, strict=False
            )
        )
        self.classify = nn.Conv2d(widths[-1], num_classes, 1)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> SegmenterOutput:
        """Return logits at the stride of the finest level."""
        levels = [*self.image_levels(images), *self.backbone.levels(images).main]
        feats = levels.pop()
        for block, skip in zip(self.blocks, reversed(levels), strict=True):
            raised = F.interpolate(
                feats, size=skip.shape[-2:], mode="bilinear", align_corners=self.align_corners
            )
            feats = block(cat([skip, raised], dim=1))
        return SegmenterOutput(self.classify(feats), None)
