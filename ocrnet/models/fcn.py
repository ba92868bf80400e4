"""FCN (arXiv:1411.4038) with torchvision's heads: only a 3x3 convolution and a classifier on the features.

Difference from the paper, as in torchvision: one feature map of a backbone with a small output stride in place of skip
connections from several levels.
"""

from jaxtyping import Float
from torch import Tensor
from torchvision.models.segmentation.fcn import FCNHead

from ocrnet.models.backbones import build_backbone
from ocrnet.models.output import SegmentationModel, SegmenterOutput


class FCN(SegmentationModel):
    """A backbone with a fully convolutional main head and auxiliary head.

    Args:
        backbone: Name of a timm model that returns feature maps.
        num_classes: Number of classes in the logits.
        align_corners: Whether every bilinear resize aligns corners.
        stride: Form of the backbone's feature maps, a name in `ocrnet.models.strides.STRIDES`.
    """

    def __init__(
        self,
        *,
        backbone: str,
        num_classes: int,
        align_corners: bool = False,
        stride: str | None = None,
    ) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.backbone = build_backbone(backbone, align_corners=align_corners, stride=stride)
        self.aux_head = FCNHead(self.backbone.aux_channels, num_classes)
        self.head = FCNHead(self.backbone.main_channels, num_classes)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> SegmenterOutput:
        """Return main and auxiliary logits at feature resolution."""
        feats = self.backbone(images)
        return SegmenterOutput(self.head(feats.main), self.aux_head(feats.aux))
