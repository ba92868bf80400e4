"""OCRNet: object-contextual representations for semantic segmentation (arXiv:1909.11065).

Symbols of the paper and what they are here:

| paper | here | shape |
|---|---|---|
| x_i, pixel representation | `pixels` | B mid h w |
| M_k, soft object region | softmax of `aux_logits` over pixels | B K h*w |
| f_k, object region representation | `region_repr` | B mid K |
| w_ik, pixel-region relation | `relation` | B h*w K |
| y_i, object-contextual representation | `context` | B mid h w |
| z_i, augmented representation | `augmented` | B mid h w |
| phi, psi, delta, rho, g | `to_query`, `to_key`, `to_value`, `to_context`, `fuse` | 1x1 convolutions |

The network: coarse logits from the auxiliary head say where each class is; pixel features are gathered into
one vector per class; each pixel attends to the class vectors and is classified from its feature and what it gathered.

Differs from the paper, as the authors' released code does: phi and psi are two convolutions each, not one; the
softmax of the soft regions runs over pixels, per class, on logits; the auxiliary head on HRNet is 1x1. Dropout
and the widths are arguments.
"""

from jaxtyping import Float
from torch import Tensor, cat, nn
from torch.nn import functional as F

from ocrnet.models.backbones import build_backbone
from ocrnet.models.output import SegmentationModel, SegmenterOutput

AUX_WIDTH = 512  # of the auxiliary head where it has its own feature map


class OCRNet(SegmentationModel):
    """A backbone with the OCR head.

    Args:
        backbone: a timm model that gives features.
        num_classes: how many classes the logits have.
        mid_channels: width of pixel and region representations (512 in the paper).
        key_channels: width of queries, keys and values (256 in the paper).
        dropout: rate before the classifier.
        align_corners: of every bilinear resize.
    """

    def __init__(
        self,
        *,
        backbone: str,
        num_classes: int,
        mid_channels: int = 512,
        key_channels: int = 256,
        dropout: float = 0.05,
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.backbone = build_backbone(backbone, align_corners=align_corners)
        shared = self.backbone.aux_channels == self.backbone.main_channels
        self.aux_head = AuxHead(
            self.backbone.aux_channels,
            num_classes,
            width=self.backbone.aux_channels if shared else AUX_WIDTH,
            kernel=1 if shared else 3,
        )
        self.head = OCRHead(
            self.backbone.main_channels,
            num_classes,
            mid_channels=mid_channels,
            key_channels=key_channels,
            dropout=dropout,
        )

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> SegmenterOutput:
        """Return main and auxiliary logits at feature resolution."""
        feats = self.backbone(images)
        aux_logits = self.aux_head(feats.aux)
        return SegmenterOutput(self.head(feats.main, aux_logits), aux_logits)


class AuxHead(nn.Sequential):
    """Classify pixels coarsely; its logits are the soft object regions."""

    def __init__(self, in_channels: int, num_classes: int, *, width: int, kernel: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, width, kernel, padding=kernel // 2),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, num_classes, 1),
        )


class OCRHead(nn.Module):
    """The OCR head: gather, relate, augment, classify."""

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        mid_channels: int = 512,
        key_channels: int = 256,
        dropout: float = 0.05,
    ) -> None:
        super().__init__()
        self.reduce = nn.Sequential(
            nn.Conv2d(in_channels, mid_channels, 3, padding=1),
            nn.BatchNorm2d(mid_channels),
            nn.ReLU(inplace=True),
        )
        self.to_query = nn.Sequential(
            *_project(mid_channels, key_channels), *_project(key_channels, key_channels)
        )
        self.to_key = nn.Sequential(
            *_project(mid_channels, key_channels), *_project(key_channels, key_channels)
        )
        self.to_value = nn.Sequential(*_project(mid_channels, key_channels))
        self.to_context = nn.Sequential(*_project(key_channels, mid_channels))
        self.fuse = nn.Sequential(*_project(2 * mid_channels, mid_channels), nn.Dropout2d(dropout))
        self.classify = nn.Conv2d(mid_channels, num_classes, 1)

    def forward(
        self, feats: Float[Tensor, "B C h w"], aux_logits: Float[Tensor, "B K h w"]
    ) -> Float[Tensor, "B K h w"]:
        """Return logits from features and the auxiliary head's logits of the same size."""
        pixels = self.reduce(feats)
        region_repr = gather_regions(pixels, aux_logits)
        context = self.to_context(self._attend(pixels, region_repr))
        augmented = self.fuse(cat([context, pixels], dim=1))  # Eq. 3: z = g([x, y])
        logits: Tensor = self.classify(augmented)
        return logits

    def _attend(
        self, pixels: Float[Tensor, "B M h w"], region_repr: Float[Tensor, "B M K"]
    ) -> Float[Tensor, "B D h w"]:
        """Mix the region values by each pixel's relation to them (Eq. 4 and 5, scaled by D^-0.5 as released)."""
        height, width = pixels.shape[-2:]
        regions = region_repr.unsqueeze(-1)
        query = self.to_query(pixels).flatten(2).transpose(1, 2)  # B h*w D
        key = self.to_key(regions).squeeze(-1).transpose(1, 2)  # B K D
        value = self.to_value(regions).squeeze(-1).transpose(1, 2)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return mixed.transpose(1, 2).reshape(*mixed.shape[:1], -1, height, width)


def gather_regions(
    pixels: Float[Tensor, "B M h w"], aux_logits: Float[Tensor, "B K h w"]
) -> Float[Tensor, "B M K"]:
    """Average pixel features into one vector per class.

    The weights of a class are a softmax of its logits over all pixels, so they sum to 1 (in float32: a soft
    region of a large image has weights too small for half precision).
    """
    weights = aux_logits.flatten(2).float().softmax(dim=2).to(pixels.dtype)  # B K h*w
    return (weights @ pixels.flatten(2).transpose(1, 2)).transpose(1, 2)


def _project(in_channels: int, out_channels: int) -> list[nn.Module]:
    return [
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]
