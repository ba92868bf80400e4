"""OCRNet as an encoder-decoder: context on the deep levels, then a cascade of upsampling to stride 2 or 1.

The deep levels of the backbone, those of stride 16 and more, go through the OCR head without its classifier. The
augmented representation z is then raised to the size of each finer level in turn, the deepest first, and meets that
level's features there; so classes that are thinner than the deep strides survive.

    d_0 = z,    d_i = conv3x3([up(d_(i-1)), conv1x1(level_i)]),    logits = conv1x1(d_n)

With `decoder_stride`, levels of the image itself follow those of the backbone (`image_levels.py`).

Differs from OCRNet (`ocr.py`): the context may join the pixels by addition, and regions may be gathered over a grid of
pooled pixels, which makes their cost independent of the size of the image.
"""

from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, cat, nn
from torch.nn import functional as F

from ocrnet.errors import ParamsError
from ocrnet.models.decoder_levels import ImageLevels, block_widths, build_pyramid
from ocrnet.models.ocr import AuxHead, RegionContext, gather_regions
from ocrnet.models.output import SegmentationModel, SegmenterOutput
from ocrnet.models.shares import SemanticShare

CONTEXTS = ("concat", "add")
DEEP_STRIDE = 16


class OCRCascade(SegmentationModel):
    """A backbone with object-contextual representations on its deep levels and a cascaded decoder.

    Args:
        backbone: Name of a timm model that returns feature maps.
        num_classes: Number of classes in the logits.
        mid_channels: Width of pixel and region representations; in the decoder it halves with each
            level, down to `LEAST_WIDTH`.
        key_channels: Width of queries, keys and values.
        dropout: Rate before the decoder.
        align_corners: Whether every bilinear resize aligns corners.
        context: How the context joins the pixels, a name in `CONTEXTS`.
        region_grid: Side of the grid of pooled pixels that regions are gathered over; 0 gathers over all pixels.
        instances: Name in `ocrnet.models.INSTANCES`; with attention, the heads read a part of the channels.
        decoder_stride: Stride of the logits in pixels, 1 or 2; None: that of the backbone's finest level, 2 or more.

    Raises:
        ParamsError: `context` is unknown, or the backbone has no pyramid.
    """

    def __init__(  # noqa: PLR0913
        self,
        *,
        backbone: str,
        num_classes: int,
        mid_channels: int = 256,
        key_channels: int = 128,
        dropout: float = 0.05,
        align_corners: bool = False,
        context: str = "concat",
        region_grid: int = 0,
        instances: str = "none",
        decoder_stride: int | None = None,
    ) -> None:
        super().__init__()
        if context not in CONTEXTS:
            raise ParamsError(
                f"model.context: {context!r} is unknown. Known: {', '.join(CONTEXTS)}."
            )
        self.align_corners = align_corners
        net = build_pyramid(backbone, align_corners=align_corners, decoder_stride=decoder_stride)
        self.backbone = net
        self.fine = sum(stride < DEEP_STRIDE for stride in net.strides)
        if self.fine == len(net.strides):  # strides of a patch of 7 pixels, say
            self.fine -= 1
        self.share = SemanticShare(net, instances)
        channels = self.share.channels
        deep = sum(channels[self.fine :])
        self.aux_head = AuxHead(
            deep, num_classes, width=mid_channels, kernel=1, align_corners=align_corners
        )
        self.head = JoinedContext(
            deep, mid_channels=mid_channels, key_channels=key_channels, dropout=dropout,
            align_corners=align_corners, joined_by=context, region_grid=region_grid,
        )  # fmt: skip
        self.image_levels = ImageLevels(net.strides, decoder_stride)
        fine = (*self.image_levels.channels, *channels[: self.fine])
        self.decoder = Cascade(mid_channels, fine, num_classes, align_corners=align_corners)
        self.instance_heads: nn.Module | None = None  # set by `build_segmenter`

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> SegmenterOutput:
        """Return logits at the stride of the finest level, and auxiliary ones at that of the deep levels."""
        shared = self.backbone.levels(images)
        levels = self.share(shared).main
        deep = levels[self.fine :]
        aux_logits = self.aux_head(deep)
        augmented = self.head(deep, aux_logits)
        fine = [*self.image_levels(images), *levels[: self.fine]]
        logits = self.decoder(augmented, fine)
        # After the decoder, which would otherwise run with the maps in memory.
        maps = None if self.instance_heads is None else self.instance_heads(shared.main)
        return SegmenterOutput(logits, aux_logits, maps)


class JoinedContext(RegionContext):
    """The OCR head without its classifier, with a choice of how the context joins and what regions are gathered over.

    Args:
        in_channels: Sum of the channels of the deep levels.
        mid_channels: Width of pixel and region representations.
        joined_by: Name in `CONTEXTS`.
        region_grid: Side of the grid that regions are gathered over; 0 gathers over all pixels.
        options: Further options of `RegionContext`.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        mid_channels: int,
        joined_by: str,
        region_grid: int,
        **options: Any,
    ) -> None:
        super().__init__(in_channels, mid_channels=mid_channels, **options)
        self.is_added = joined_by == "add"
        self.region_grid = region_grid
        if self.is_added:
            dropout = self.fuse[-1]
            self.fuse = self._projections(mid_channels, mid_channels)
            self.fuse.append(dropout)

    def forward(
        self, levels: list[Tensor], aux_logits: Float[Tensor, "B K h w"]
    ) -> Float[Tensor, "B M h w"]:
        """Return the augmented representation of the deep levels."""
        return self.augment(levels, aux_logits)

    def _gather(
        self, pixels: Float[Tensor, "B M h w"], aux_logits: Float[Tensor, "B K h w"]
    ) -> Float[Tensor, "B M K"]:
        if not self.region_grid:
            return gather_regions(pixels, aux_logits)
        side = self.region_grid
        return gather_regions(pool_to_grid(pixels, side), pool_to_grid(aux_logits, side))

    def _augment(
        self, context: Float[Tensor, "B M h w"], pixels: Float[Tensor, "B M h w"]
    ) -> Float[Tensor, "B M h w"]:
        if not self.is_added:
            return super()._augment(context, pixels)
        augmented: Tensor = self.fuse(context + pixels)
        return augmented


class Cascade(nn.Module):
    """Raise a deep map level by level, each time joined by the features of that level.

    Args:
        deep_channels: Channels of the deep map.
        channels: Channels of the finer levels, the finest first.
        num_classes: Number of classes in the logits.
        align_corners: Whether every bilinear resize aligns corners.
    """

    def __init__(
        self,
        deep_channels: int,
        channels: tuple[int, ...],
        num_classes: int,
        *,
        align_corners: bool,
    ) -> None:
        super().__init__()
        self.align_corners = align_corners
        widths = block_widths(deep_channels, len(channels) + 1)
        self.skips = nn.ModuleList(
            _block(count, width, kernel=1)
            for count, width in zip(reversed(channels), widths[1:], strict=True)
        )
        self.blocks = nn.ModuleList(
            _block(before + after, after, kernel=3) for before, after in pairwise(widths)
        )
        self.classify = nn.Conv2d(widths[-1], num_classes, 1)

    def forward(
        self, deep: Float[Tensor, "B M h w"], levels: list[Tensor]
    ) -> Float[Tensor, "B K h2 w2"]:
        """Return logits at the size of the first, the finest, level."""
        feats = deep
        for skip, block, level in zip(self.skips, self.blocks, reversed(levels), strict=True):
            raised = F.interpolate(
                feats, size=level.shape[-2:], mode="bilinear", align_corners=self.align_corners
            )
            feats = block(cat([raised, skip(level)], dim=1))
        logits: Tensor = self.classify(feats)
        return logits


def pool_to_grid(feats: Float[Tensor, "B C h w"], side: int) -> Float[Tensor, "B C s s"]:
    """Return the mean of each cell of a grid, as torch's adaptive pooling has its cells.

    In an export the means are products with a matrix for the rows and one for the columns: torch's pooling would keep
    the cells of the traced size.
    """
    if not torch.compiler.is_exporting():
        return F.adaptive_avg_pool2d(feats, side)
    rows, columns = (_cell_weights(length, side, feats) for length in feats.shape[-2:])
    return rows @ feats @ columns.transpose(0, 1)


def _cell_weights(length: Any, side: int, like: Tensor) -> Float[Tensor, "s n"]:
    """Return the weight of each pixel of a side in the mean of each cell; the length may be a symbol.

    Cell i has the pixels from floor(i n / s) to before ceil((i + 1) n / s).
    """
    cells = torch.arange(side, device=like.device)
    first = (cells * length // side)[:, None]
    end = (((cells + 1) * length + side - 1) // side)[:, None]
    pixels = torch.arange(length, device=like.device)
    inside = (pixels >= first) & (pixels < end)
    weights: Tensor = inside.to(like.dtype) / (end - first).to(like.dtype)
    return weights


def _block(before: int, after: int, *, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )
