"""FCN (arXiv:1411.4038) with torchvision's heads: a 3x3 convolution and a classifier on the features, no more.

Differs from the paper: one feature map of a backbone with a small output stride in place of skips from several levels,
as torchvision has it.
"""

from jaxtyping import Float
from torch import Tensor
from torchvision.models.segmentation.fcn import FCNHead

from ocrnet.models.backbones import build_backbone
from ocrnet.models.output import SegmentationModel, SegmenterOutput


class FCN(SegmentationModel):
    """A backbone with a fully convolutional head, and another one as auxiliary head.

    Args:
        backbone: Name of a timm model that returns feature maps.
        num_classes: Number of classes in the logits.
        align_corners: Whether every bilinear resize aligns corners.
    """

    def __init__(self, *, backbone: str, num_classes: int, align_corners: bool = False) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.backbone = build_backbone(backbone, align_corners=align_corners)
        self.aux_head = FCNHead(self.backbone.aux_channels, num_classes)
        self.head = FCNHead(self.backbone.main_channels, num_classes)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> SegmenterOutput:
        """Return main and auxiliary logits at feature resolution."""
        feats = self.backbone(images)
        return SegmenterOutput(self.head(feats.main), self.aux_head(feats.aux))
