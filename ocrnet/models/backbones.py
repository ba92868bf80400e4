"""Backbones: timm models that return the two feature maps that an OCR head needs.

HRNet differs from timm's in its fusion: timm fuses branches with nearest upsampling by a fixed factor (the
ImageNet model), which changes the segmentation model by 12% of its output and crashes on sizes that are not
multiples of 32. Here branches are resized bilinearly to the size of the branch that they join. Parameter names are
timm's, which are the official names.

`resnet50c` has mmseg's deep stem (32-32-64). `deepbase_resnet50` is openseg's: a stem of 64-64-128 and a
max pooling that rounds up, so that an image of 512x1024 gives maps of 65x129.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import timm
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ocrnet.errors import ParamsError
from ocrnet.models import timm_levels
from ocrnet.models.head_variants import DEEP_BASE, stem_options
from ocrnet.models.hrnet import SizedFusion
from ocrnet.models.known import is_known_backbone
from ocrnet.models.output import resize_features

FINEST_STRIDE = 4


class Levels(NamedTuple):
    """The inputs of the auxiliary head and of the main head, each a list of feature maps, finest first."""

    aux: list[Tensor]
    main: list[Tensor]


class Features(NamedTuple):
    """The inputs of the auxiliary head and of the main head, each as one map; for HRNet they are the same map."""

    aux: Float[Tensor, "B C2 h2 w2"]
    main: Float[Tensor, "B C h w"]


class Backbone(nn.Module):
    """Base class of the backbones.

    Attributes:
        aux_channels: Channels of `Features.aux`.
        main_channels: Channels of `Features.main`.
        multiple: Multiple in pixels to which it pads the sides of images; 1 pads nothing.
    """

    aux_channels: int
    main_channels: int
    multiple = 1

    def levels(self, images: Float[Tensor, "B 3 H W"]) -> Levels:
        """Return the feature maps of images before they are joined."""
        raise NotImplementedError

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Features:
        """Return the feature maps of images."""
        raise NotImplementedError


class JoinedBackbone(Backbone):
    """A backbone with one feature map: its levels, resized to the finest and concatenated."""

    net: Any  # timm has no types
    align_corners: bool

    def levels(self, images: Float[Tensor, "B 3 H W"]) -> Levels:
        """Return the levels, which are the same for both heads."""
        levels: list[Tensor] = self.net(images)
        return Levels(levels, levels)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Features:
        """Return the concatenated levels at the size of the finest."""
        feats = join_levels(self.levels(images).main, align_corners=self.align_corners)
        return Features(feats, feats)


class HRNetBackbone(JoinedBackbone):
    """HRNet's four branches, joined at a quarter of the input size, for any input size."""

    def __init__(self, name: str, *, align_corners: bool) -> None:
        super().__init__()
        self.net = timm.create_model(
            name,
            pretrained=False,
            features_only=True,
            feature_location="",
            out_indices=(1, 2, 3, 4),
        )
        for stage in (self.net.stage2, self.net.stage3, self.net.stage4):
            for i, module in enumerate(stage):
                stage[i] = SizedFusion(module, align_corners=align_corners)
        self.align_corners = align_corners
        self.channels = tuple(self.net.feature_info.channels())
        self.strides = (4, 8, 16, 32)
        self.aux_channels = self.main_channels = sum(self.channels)


class DilatedBackbone(Backbone):
    """The last two levels of a network dilated to an output stride of 8, as in the ResNet variants, or of 4."""

    def __init__(self, name: str, *, stride: int = 8) -> None:
        super().__init__()
        self.net = timm.create_model(
            name.removeprefix(DEEP_BASE), pretrained=False, features_only=True, output_stride=stride,
            out_indices=(-2, -1), **stem_options(name),
        )  # fmt: skip
        if name.startswith(DEEP_BASE):
            self.net.maxpool.ceil_mode = True
        self.aux_channels, self.main_channels = self.net.feature_info.channels()

    def levels(self, images: Float[Tensor, "B 3 H W"]) -> Levels:
        """Return the last two feature maps, one for each head."""
        aux, main = self.net(images)
        return Levels([aux], [main])

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Features:
        """Return the last two feature maps."""
        (aux,), (main,) = self.levels(images)
        return Features(aux, main)


class PyramidBackbone(JoinedBackbone):
    """All levels from a stride on of a network of timm, at any image size.

    Args:
        name: Name of the network in timm.
        align_corners: Whether resizing of the levels aligns corners.
        finest: Least stride of a level in pixels.
    """

    def __init__(self, name: str, *, align_corners: bool, finest: int = FINEST_STRIDE) -> None:
        super().__init__()
        self.fit = timm_levels.fit(name)
        self.multiple = self.fit.multiple
        self.align_corners = align_corners
        self.pyramid: timm_levels.PlainPyramid | None = None
        self.channels: tuple[int, ...]
        self.strides: tuple[float, ...]
        if self.fit.is_plain:
            indices: tuple[int, ...] = (-1,)
            self.pyramid = timm_levels.PlainPyramid(self.fit.channels[-1])
            self.channels = self.pyramid.channels
            patch = self.fit.strides[-1]
            self.strides = (patch / 4, patch / 2, patch, 2 * patch)
        else:
            taken = [i for i, stride in enumerate(self.fit.strides) if stride >= finest]
            indices = tuple(self.fit.indices[i] for i in taken)
            self.channels = tuple(self.fit.channels[i] for i in taken)
            self.strides = tuple(self.fit.strides[i] for i in taken)
        # What timm's weights are requested with, so that they have the form of this network.
        self.arguments = {**self.fit.options, "features_only": True, "out_indices": indices}
        self.net = timm.create_model(name, pretrained=False, **self.arguments)
        self.aux_channels = self.main_channels = sum(self.channels)

    def levels(self, images: Float[Tensor, "B 3 H W"]) -> Levels:
        """Return the levels, each of ceil(side / stride) pixels a side, the same for both heads."""
        padded = timm_levels.pad_to_multiple(images, self.fit.multiple)
        levels: list[Tensor] = self.net(padded)
        if self.pyramid is not None:
            levels = self.pyramid(levels[0])
        if padded is not images:
            height, width = images.shape[-2:]
            levels = [
                level[..., : math.ceil(height / stride), : math.ceil(width / stride)]
                for level, stride in zip(levels, self.strides, strict=True)
            ]
        return Levels(levels, levels)


def build_backbone(
    name: str, *, align_corners: bool, stride: str | None = None, finest: int = FINEST_STRIDE
) -> Backbone:
    """Build a backbone by its timm name, with random weights.

    Args:
        name: Name of a timm model.
        align_corners: Whether resizing of levels aligns corners.
        stride: Name in `ocrnet.models.strides.STRIDES`; None, which bundles without this option mean, is 8 where the
            network can be dilated, and pyramid elsewhere. HRNet has a form of its own.
        finest: Least stride of a level of the pyramid in pixels.

    Raises:
        ParamsError: timm has no such model, the model returns no features, or it does not have the form.
    """
    if not is_known_backbone(name):
        raise ParamsError(
            f"model.backbone: {name[:80]!r} is no model of timm, and models of hubs are not allowed. Set a timm model."
        )
    if name.startswith("hrnet"):
        return HRNetBackbone(name, align_corners=align_corners)
    if stride in ("4", "pyramid") and name.startswith(DEEP_BASE):
        wanted = "a pyramid" if stride == "pyramid" else "stride 4"
        raise ParamsError(
            f"model.backbone: {name} has one form, that of openseg's weights at stride 8, but {wanted} is wanted. "
            f"Set {name.removeprefix(DEEP_BASE)}, or model.stride: 8 with a model.arch that takes it."
        )
    if stride == "pyramid":
        return PyramidBackbone(name, align_corners=align_corners, finest=finest)
    try:
        return DilatedBackbone(name, stride=int(stride or 8))
    except (NotImplementedError, TypeError, AssertionError, RuntimeError) as error:
        if isinstance(error, TypeError) and "output_stride" not in str(error):
            raise
        if stride is not None:
            reason = " ".join(str(error).split())[:120] or "timm refuses that stride"
            raise ParamsError(
                f"model.stride {stride}: {name} cannot be dilated ({reason}). Write pyramid."
            ) from error
        return PyramidBackbone(name, align_corners=align_corners)


class LevelConv2d(nn.Conv2d):
    """A convolution of joined levels; a 1x1 convolution commutes with resizing, so it runs on each level first.

    Args:
        in_channels: Sum of the channels of all levels.
        out_channels: Channels of the result.
        kernel_size: Side of the kernel, in pixels of the finest level.
        align_corners: Whether the resizing aligns corners.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, align_corners: bool
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.align_corners = align_corners

    def forward(self, levels: list[Tensor]) -> Tensor:  # type: ignore[override]
        """Return the convolution at the size of the first level."""
        if self.kernel_size != (1, 1) or len(levels) == 1:
            return super().forward(join_levels(levels, align_corners=self.align_corners))
        size = (levels[0].shape[-2], levels[0].shape[-1])
        parts = torch.split(self.weight, [level.shape[1] for level in levels], dim=1)
        total = F.conv2d(levels[0], parts[0], self.bias)
        for level, part in zip(levels[1:], parts[1:], strict=True):
            coarse = F.conv2d(level, part)
            total = total + resize_features(coarse, size, align_corners=self.align_corners)
        return total


def join_levels(levels: Sequence[Tensor], *, align_corners: bool) -> Tensor:
    """Resize feature maps bilinearly to the size of the first and concatenate them."""
    if len(levels) == 1:
        return levels[0]
    size = levels[0].shape[-2:]
    resized = [
        resize_features(level, (size[0], size[1]), align_corners=align_corners)
        for level in levels[1:]
    ]
    return torch.cat([levels[0], *resized], dim=1)
