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

The network: coarse logits from the auxiliary head locate each class; pixel features are averaged into one vector per
class; each pixel attends to the class vectors and is classified from its feature and the result.

Differences from the paper, as in the authors' released code: phi and psi are two convolutions each, not one; the
softmax of the soft regions is over pixels, per class, on logits; the auxiliary head on HRNet is 1x1. Dropout
and the widths are arguments; `head_variants.py` lists the other differences between released heads.

Two rewrites change only the rounding: a 1x1 convolution commutes with bilinear resizing, so the auxiliary head
runs on HRNet's levels before they are resized (`LevelConv2d`); and the convolution of a concatenation is the sum of
two convolutions. For prediction `folded_heads.py` has further rewrites.
"""

from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ocrnet.models.backbones import JoinedBackbone, LevelConv2d, build_backbone
from ocrnet.models.head_variants import HEAD_VARIANTS
from ocrnet.models.output import SegmentationModel, SegmenterOutput
from ocrnet.models.shares import SemanticShare


class OCRNet(SegmentationModel):
    """A backbone with the OCR head.

    Args:
        backbone: Name of a timm model that returns feature maps.
        num_classes: Number of classes in the logits.
        mid_channels: Width of pixel and region representations (512 in the paper).
        key_channels: Width of queries, keys and values (256 in the paper).
        dropout: Rate before the classifier.
        align_corners: Whether every bilinear resize aligns corners.
        stride: Form of the backbone's feature maps, a name in `ocrnet.models.strides.STRIDES`.
        head_variant: Name in `HEAD_VARIANTS`.
        instances: Name in `ocrnet.models.INSTANCES`; with attention, the heads read a part of the channels.

    Raises:
        ValueError: The variant is unknown.
    """

    def __init__(  # noqa: PLR0913
        self,
        *,
        backbone: str,
        num_classes: int,
        mid_channels: int = 512,
        key_channels: int = 256,
        dropout: float = 0.05,
        align_corners: bool = False,
        stride: str | None = None,
        head_variant: str = "official",
        instances: str = "none",
    ) -> None:
        super().__init__()
        if head_variant not in HEAD_VARIANTS:
            raise ValueError(
                f"model.head_variant: {head_variant!r} is unknown. Known: {', '.join(HEAD_VARIANTS)}."
            )
        self.align_corners = align_corners
        self.backbone = build_backbone(backbone, align_corners=align_corners, stride=stride)
        self.share = SemanticShare(self.backbone, instances)
        shared, variant = isinstance(self.backbone, JoinedBackbone), HEAD_VARIANTS[head_variant]
        self.aux_head = AuxHead(
            self.share.aux_channels,
            num_classes,
            width=self.share.aux_channels if shared else variant.aux_width,
            kernel=variant.shared_kernel if shared else 3,
            dropout=0.0 if shared or not variant.aux_dropout else dropout,
            negative_slope=variant.negative_slope,
            align_corners=align_corners,
        )
        self.head = OCRHead(
            sum(self.share.channels), num_classes, mid_channels=mid_channels, key_channels=key_channels,
            dropout=dropout, negative_slope=variant.negative_slope, align_corners=align_corners,
        )  # fmt: skip
        self.instance_heads: nn.Module | None = None  # set by `build_segmenter`

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> SegmenterOutput:
        """Return main and auxiliary logits at feature resolution."""
        levels = self.backbone.levels(images)
        own = self.share(levels)
        aux_logits = self.aux_head(own.aux)
        logits = self.head(own.main, aux_logits)
        maps = None if self.instance_heads is None else self.instance_heads(levels.main)
        return SegmenterOutput(logits, aux_logits, maps)


class AuxHead(nn.Sequential):
    """The auxiliary head: coarse logits, which are the soft object regions, from levels that need not be joined."""

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        width: int,
        kernel: int,
        dropout: float = 0.0,
        negative_slope: float = 0.0,
        align_corners: bool = False,
    ) -> None:
        activation = _activation(negative_slope)
        super().__init__(
            LevelConv2d(in_channels, width, kernel, align_corners=align_corners),
            nn.BatchNorm2d(width),
            nn.Sequential(activation, nn.Dropout2d(dropout)) if dropout else activation,
            nn.Conv2d(width, num_classes, 1),
        )
        self.negative_slope = negative_slope


class RegionContext(nn.Module):
    """The OCR head before its classifier: gather, relate, augment."""

    def __init__(
        self,
        in_channels: int,
        *,
        mid_channels: int = 512,
        key_channels: int = 256,
        dropout: float = 0.05,
        negative_slope: float = 0.0,
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.reduce = nn.Sequential(
            LevelConv2d(in_channels, mid_channels, 3, align_corners=align_corners),
            nn.BatchNorm2d(mid_channels),
            _activation(negative_slope),
        )
        self.to_query = self._projections(mid_channels, key_channels, key_channels)
        self.to_key = self._projections(mid_channels, key_channels, key_channels)
        self.to_value = self._projections(mid_channels, key_channels)
        self.to_context = self._projections(key_channels, mid_channels)
        self.fuse = self._projections(2 * mid_channels, mid_channels)
        self.fuse.append(nn.Dropout2d(dropout))

    def augment(
        self, levels: list[Tensor], aux_logits: Float[Tensor, "B K h w"]
    ) -> Float[Tensor, "B M h w"]:
        """Return the augmented representation z, from the levels and soft regions of the size of the first level."""
        pixels = self.reduce(levels)
        region_repr = self._gather(pixels, aux_logits)
        context = self.to_context(self._attend(pixels, region_repr))
        return self._augment(context, pixels)

    def _gather(
        self, pixels: Float[Tensor, "B M h w"], aux_logits: Float[Tensor, "B K h w"]
    ) -> Float[Tensor, "B M K"]:
        return gather_regions(pixels, aux_logits)

    def _attend(
        self, pixels: Float[Tensor, "B M h w"], region_repr: Float[Tensor, "B M K"]
    ) -> Float[Tensor, "B D h w"]:
        """Mix the region values by each pixel's relation to them (Section 3.2, scaled by D^-0.5 as in the code)."""
        height, width = pixels.shape[-2:]
        regions = region_repr.unsqueeze(-1)
        query = self.to_query(pixels).flatten(2).transpose(1, 2)  # B h*w D
        key = self.to_key(regions).squeeze(-1).transpose(1, 2)  # B K D
        value = self.to_value(regions).squeeze(-1).transpose(1, 2)
        mixed = attend_regions(query, key, value)
        return mixed.transpose(1, 2).reshape(*mixed.shape[:1], -1, height, width)

    def _augment(
        self, context: Float[Tensor, "B M h w"], pixels: Float[Tensor, "B M h w"]
    ) -> Float[Tensor, "B M h w"]:
        """Return z = g([y, x]) (Section 3.2, with the context first as in the code) without concatenation."""
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


class OCRHead(RegionContext):
    """The OCR head: gather, relate, augment, classify."""

    def __init__(
        self, in_channels: int, num_classes: int, *, mid_channels: int = 512, **options: Any
    ) -> None:
        super().__init__(in_channels, mid_channels=mid_channels, **options)
        self.classify = nn.Conv2d(mid_channels, num_classes, 1)

    def forward(
        self, levels: list[Tensor], aux_logits: Float[Tensor, "B K h w"]
    ) -> Float[Tensor, "B K h w"]:
        """Return logits from the levels and the auxiliary head's logits, which have the size of the first level."""
        logits: Tensor = self.classify(self.augment(levels, aux_logits))
        return logits


def gather_regions(
    pixels: Float[Tensor, "B M h w"], aux_logits: Float[Tensor, "B K h w"]
) -> Float[Tensor, "B M K"]:
    """Average pixel features into one vector per class.

    The weights of a class are a softmax of its logits over all pixels, so they sum to 1. The softmax is in float32 or
    more: in a large image the weights are too small for half precision.
    """
    precision = torch.promote_types(aux_logits.dtype, torch.float32)
    weights = aux_logits.flatten(2).softmax(dim=2, dtype=precision).to(pixels.dtype)  # B K h*w
    return (weights @ pixels.flatten(2).transpose(1, 2)).transpose(1, 2)


def attend_regions(
    query: Float[Tensor, "B N D"], key: Float[Tensor, "B K D"], value: Float[Tensor, "B K D"]
) -> Float[Tensor, "B N D"]:
    """Return softmax(query key^T / sqrt(D)) value.

    An exporter to ONNX knows attention with heads alone, so it gets one head. The bits are the same on a CPU; CUDA has
    another kernel for heads, whose rounding differs, so training and prediction stay without them.
    """
    if not torch.compiler.is_exporting():
        return F.scaled_dot_product_attention(query, key, value)
    one_head = F.scaled_dot_product_attention(query[:, None], key[:, None], value[:, None])
    return one_head.squeeze(1)


def _activation(negative_slope: float) -> nn.Module:
    return nn.LeakyReLU(negative_slope, inplace=True) if negative_slope else nn.ReLU(inplace=True)
