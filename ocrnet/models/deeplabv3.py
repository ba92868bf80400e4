"""DeepLabv3 (arXiv:1706.05587) with torchvision's head: atrous convolutions of several rates and a pooled branch.

Atrous rates: 6, 12, 18 on features of stride 16 and twice that on finer features, as in the paper, whose finest stride
is 8. For stride 4 (HRNet) the paper's rule would give 24, 48, 72; the outer taps of such rates are outside the feature
map of a small image (45x60 for 180x240), which leaves a 1x1 convolution, so the rates of stride 8 are used.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.segmentation.deeplabv3 import DeepLabHead
from torchvision.models.segmentation.fcn import FCNHead

from ocrnet.errors import ParamsError
from ocrnet.models.backbones import Backbone, PyramidBackbone, build_backbone
from ocrnet.models.output import SegmentationModel, SegmenterOutput

COARSE_STRIDE = 16
COARSE_RATES = (6, 12, 18)
FINE_RATES = (12, 24, 36)


class DeepLabV3(SegmentationModel):
    """A backbone with the head of DeepLabv3, and a fully convolutional auxiliary head.

    Args:
        backbone: Name of a timm model that returns feature maps.
        num_classes: Number of classes in the logits.
        align_corners: Whether the resizes in the backbone and of the logits align corners.
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
        rates = atrous_rates(self.backbone)
        self.head = DeepLabHead(self.backbone.main_channels, num_classes, rates)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> SegmenterOutput:
        """Return main and auxiliary logits at feature resolution.

        Raises:
            ParamsError: The batch has one image in training, so the batch norm of the pooled branch has one value.
        """
        pooled_norm = self.head[0].convs[-1][2]
        is_pooled = isinstance(pooled_norm, nn.BatchNorm2d) and pooled_norm.training
        if is_pooled and images.shape[0] == 1:
            raise ParamsError(
                "train.batch_size: deeplabv3 has 1 image per process, but the batch norm of its pooled "
                "branch needs 2 or more. Raise train.batch_size, or set model.norm to group or sync."
            )
        feats = self.backbone(images)
        return SegmenterOutput(self.head(feats.main), self.aux_head(feats.aux))


def atrous_rates(backbone: Backbone) -> tuple[int, int, int]:
    """Return the rates for the stride of a backbone's features; only a pyramid can have a stride above 8."""
    is_coarse = isinstance(backbone, PyramidBackbone) and backbone.strides[0] >= COARSE_STRIDE
    return COARSE_RATES if is_coarse else FINE_RATES
