"""OCRNet: object-contextual representations for semantic segmentation (arXiv:1909.11065).

Symbols of the paper and their names here:

| paper | here | shape |
|---|---|---|
| x_i, pixel representation | `pixels` | B mid h w |
| M_k, soft object region | softmax of `aux_logits` over pixels | B K h*w |
| f_k, object region representation | `region_repr` | B mid K |
| w_ik, pixel-region relation | inside of `scaled_dot_product_attention` | B h*w K |
| y_i, object-contextual representation | `context` | B mid h w |
| z_i, augmented representation | `augmented` | B mid h w |
| phi, psi, delta, rho, g | `to_query`, `to_key`, `to_value`, `to_context`, `fuse` | 1x1 convolutions |

The network: coarse logits from the auxiliary head locate each class; pixel features are gathered into one vector per
class; each pixel attends to the class vectors and is classified from its feature and the result.

Differs from the paper, as the authors' released code does: phi and psi are two convolutions each, not one; the
softmax of the soft regions runs over pixels, per class, on logits; the auxiliary head on HRNet is 1x1. Dropout
and the widths are arguments; `forms.py` lists the other differences between released heads.

Two rewrites are always used and change nothing but rounding: a 1x1 convolution commutes with bilinear resizing, so the
auxiliary head works on HRNet's levels before they are resized; and the convolution of a concatenation is the sum of
two. Without gradients `folded.py` rewrites more.
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ocrnet.models import folded
from ocrnet.models.backbones import JoinedBackbone, build_backbone, join_levels
from ocrnet.models.forms import FORMS
from ocrnet.models.output import SegmentationModel, SegmenterOutput, resize_features


class OCRNet(SegmentationModel):
    """A backbone with the OCR head.

    Args:
        backbone: Name of a timm model that returns feature maps.
        num_classes: Number of classes in the logits.
        mid_channels: Width of pixel and region representations (512 in the paper).
        key_channels: Width of queries, keys and values (256 in the paper).
        dropout: Rate before the classifier.
        align_corners: Whether every bilinear resize aligns corners.
        form: Name in `FORMS`.

    Raises:
        ValueError: The form is unknown.
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
        form: str = "official",
    ) -> None:
        super().__init__()
        if form not in FORMS:
            raise ValueError(f"model.form {form!r} is unknown. Known: {', '.join(FORMS)}.")
        self.align_corners = align_corners
        self.backbone = build_backbone(backbone, align_corners=align_corners)
        shared = isinstance(self.backbone, JoinedBackbone)
        self.aux_head = AuxHead(
            self.backbone.aux_channels,
            num_classes,
            width=self.backbone.aux_channels if shared else FORMS[form].aux_width,
            kernel=FORMS[form].shared_kernel if shared else 3,
            dropout=0.0 if shared or not FORMS[form].aux_dropout else dropout,
            negative_slope=FORMS[form].negative_slope,
        )
        self.head = OCRHead(
            self.backbone.main_channels,
            num_classes,
            mid_channels=mid_channels,
            key_channels=key_channels,
            dropout=dropout,
            negative_slope=FORMS[form].negative_slope,
        )

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> SegmenterOutput:
        """Return main and auxiliary logits at feature resolution."""
        if not isinstance(self.backbone, JoinedBackbone):
            feats = self.backbone(images)
            aux_logits = self.aux_head(feats.aux)
            return SegmenterOutput(self.head(feats.main, aux_logits), aux_logits)
        levels = self.backbone.levels(images)
        return self.forward_levels(levels)

    def forward_levels(self, levels: list[Tensor]) -> SegmenterOutput:
        """Return main and auxiliary logits from a backbone's levels, finest first."""
        if self.aux_head.pointwise:
            aux_logits = self.aux_head.forward_levels(levels, align_corners=self.align_corners)
            feats = join_levels(levels, align_corners=self.align_corners)
        else:
            feats = join_levels(levels, align_corners=self.align_corners)
            aux_logits = self.aux_head(feats)
        return SegmenterOutput(self.head(feats, aux_logits), aux_logits)


class AuxHead(nn.Sequential):
    """Classify pixels coarsely; its logits are the soft object regions."""

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        width: int,
        kernel: int,
        dropout: float = 0.0,
        negative_slope: float = 0.0,
    ) -> None:
        activation = _activation(negative_slope)
        super().__init__(
            nn.Conv2d(in_channels, width, kernel, padding=kernel // 2),
            nn.BatchNorm2d(width),
            nn.Sequential(activation, nn.Dropout2d(dropout)) if dropout else activation,
            nn.Conv2d(width, num_classes, 1),
        )
        self.negative_slope = negative_slope

    @property
    def pointwise(self) -> bool:
        """Whether the first convolution is 1x1, so that it commutes with resizing."""
        return self[0].kernel_size == (1, 1)

    def forward_levels(self, levels: list[Tensor], *, align_corners: bool) -> Tensor:
        """Return logits of the joined levels, without joining them."""
        if folded.may_fold(self, self[1]):
            return folded.aux_logits_of_levels(
                self, levels, negative_slope=self.negative_slope, align_corners=align_corners
            )
        conv, norm, activation, classify = self
        assert isinstance(conv, nn.Conv2d)
        size = (levels[0].shape[-2], levels[0].shape[-1])
        parts = torch.split(conv.weight, [level.shape[1] for level in levels], dim=1)
        hidden = F.conv2d(levels[0], parts[0], conv.bias)
        for level, part in zip(levels[1:], parts[1:], strict=True):
            coarse = F.conv2d(level, part)
            hidden = hidden + resize_features(coarse, size, align_corners=align_corners)
        logits: Tensor = classify(activation(norm(hidden)))
        return logits


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
        negative_slope: float = 0.0,
    ) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.reduce = nn.Sequential(
            nn.Conv2d(in_channels, mid_channels, 3, padding=1),
            nn.BatchNorm2d(mid_channels),
            _activation(negative_slope),
        )
        self.to_query = self._projections(mid_channels, key_channels, key_channels)
        self.to_key = self._projections(mid_channels, key_channels, key_channels)
        self.to_value = self._projections(mid_channels, key_channels)
        self.to_context = self._projections(key_channels, mid_channels)
        self.fuse = self._projections(2 * mid_channels, mid_channels)
        self.fuse.append(nn.Dropout2d(dropout))
        self.classify = nn.Conv2d(mid_channels, num_classes, 1)

    def forward(
        self, feats: Float[Tensor, "B C h w"], aux_logits: Float[Tensor, "B K h w"]
    ) -> Float[Tensor, "B K h w"]:
        """Return logits from features and the auxiliary head's logits of the same size."""
        if folded.may_fold(self, self.reduce[1], self.fuse[1]):
            pixels = folded.reduce_features(self, feats)
            return folded.classify_pixels(self, pixels, gather_regions(pixels, aux_logits))
        pixels = self.reduce(feats)
        region_repr = gather_regions(pixels, aux_logits)
        context = self.to_context(self._attend(pixels, region_repr))
        logits: Tensor = self.classify(self._augment(context, pixels))
        return logits

    def _attend(
        self, pixels: Float[Tensor, "B M h w"], region_repr: Float[Tensor, "B M K"]
    ) -> Float[Tensor, "B D h w"]:
        """Mix the region values by each pixel's relation to them (paper, Section 3.2; scaled by D^-0.5 as released)."""
        height, width = pixels.shape[-2:]
        regions = region_repr.unsqueeze(-1)
        query = self.to_query(pixels).flatten(2).transpose(1, 2)  # B h*w D
        key = self.to_key(regions).squeeze(-1).transpose(1, 2)  # B K D
        value = self.to_value(regions).squeeze(-1).transpose(1, 2)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return mixed.transpose(1, 2).reshape(*mixed.shape[:1], -1, height, width)

    def _augment(
        self, context: Float[Tensor, "B M h w"], pixels: Float[Tensor, "B M h w"]
    ) -> Float[Tensor, "B M h w"]:
        """Return z = g([x, y]) (paper, Section 3.2), the context first as released, without concatenating."""
        conv, norm, activation, dropout = self.fuse
        assert isinstance(conv, nn.Conv2d)
        of_context, of_pixels = conv.weight.chunk(2, dim=1)
        joined = F.conv2d(context, of_context) + F.conv2d(pixels, of_pixels)
        augmented: Tensor = dropout(activation(norm(joined)))
        return augmented

    def _projections(self, *widths: int) -> nn.Sequential:
        """Return 1x1 convolutions from each width to the next, each with its norm and activation."""
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            conv = nn.Conv2d(before, after, 1, bias=False)
            layers += [conv, nn.BatchNorm2d(after), _activation(self.negative_slope)]
        return nn.Sequential(*layers)


def gather_regions(
    pixels: Float[Tensor, "B M h w"], aux_logits: Float[Tensor, "B K h w"]
) -> Float[Tensor, "B M K"]:
    """Average pixel features into one vector per class.

    The weights of a class are a softmax of its logits over all pixels, so they sum to 1 (in float32 at least: a soft
    region of a large image has weights too small for half precision).
    """
    precision = torch.promote_types(aux_logits.dtype, torch.float32)
    weights = aux_logits.flatten(2).softmax(dim=2, dtype=precision).to(pixels.dtype)  # B K h*w
    return (weights @ pixels.flatten(2).transpose(1, 2)).transpose(1, 2)


def _activation(negative_slope: float) -> nn.Module:
    return nn.LeakyReLU(negative_slope, inplace=True) if negative_slope else nn.ReLU(inplace=True)
