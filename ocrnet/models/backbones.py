"""Backbones: timm models that return the two feature maps that an OCR head needs.

HRNet differs from timm's in its fusion: timm fuses branches with nearest upsampling by a fixed factor (the
ImageNet model), which changes the segmentation model by 12% of its output and crashes on sizes that 32 does
not divide. Here branches are resized bilinearly to the size of the branch they join. Parameter names stay
timm's, which are the official ones.

`resnet50c` has mmseg's deep stem (32-32-64). A name `deepbase_resnet50` is openseg's: a stem of 64-64-128 and a
max pooling that rounds up, so that an image of 512x1024 gives maps of 65x129.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import timm
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ocrnet.errors import ParamsError
from ocrnet.models.forms import DEEP_BASE
from ocrnet.models.hrnet import SizedFusion
from ocrnet.models.known import is_known_backbone
from ocrnet.models.output import resize_features

FINEST_STRIDE = 4


class Features(NamedTuple):
    """The inputs of the auxiliary head and of the main head; HRNet gives both the same map."""

    aux: Float[Tensor, "B C2 h2 w2"]
    main: Float[Tensor, "B C h w"]


class Backbone(nn.Module):
    """Base of the wrappers below.

    Attributes:
        aux_channels: Channels of `Features.aux`.
        main_channels: Channels of `Features.main`.
    """

    aux_channels: int
    main_channels: int

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Features:
        """Return the feature maps of images."""
        raise NotImplementedError


class JoinedBackbone(Backbone):
    """A backbone whose one feature map is its levels, resized to the finest and concatenated."""

    net: Any  # of timm, which has no types
    align_corners: bool

    def levels(self, images: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        """Return the levels as they are, finest first."""
        levels: list[Tensor] = self.net(images)
        return levels

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Features:
        """Return the concatenated levels at the size of the finest."""
        feats = join_levels(self.levels(images), align_corners=self.align_corners)
        return Features(feats, feats)


class HRNetBackbone(JoinedBackbone):
    """HRNet's four branches at a quarter of the input size; any input size."""

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
        self.aux_channels = self.main_channels = sum(self.net.feature_info.channels())


class DilatedBackbone(Backbone):
    """The last two levels of a network dilated to an output stride of 8, as in the ResNet variants."""

    def __init__(self, name: str) -> None:
        super().__init__()
        deep = name.startswith(DEEP_BASE)
        stem = {"stem_type": "deep", "stem_width": 64} if deep else {}
        self.net = timm.create_model(
            name.removeprefix(DEEP_BASE), pretrained=False, features_only=True, output_stride=8,
            out_indices=(-2, -1), **stem,
        )  # fmt: skip
        if deep:
            self.net.maxpool.ceil_mode = True
        self.aux_channels, self.main_channels = self.net.feature_info.channels()

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Features:
        """Return the last two feature maps."""
        aux, main = self.net(images)
        return Features(aux, main)


class PyramidBackbone(JoinedBackbone):
    """All levels from stride 4 on of a network that cannot be dilated."""

    def __init__(self, name: str, *, align_corners: bool) -> None:
        super().__init__()
        reductions = timm.create_model(
            name, pretrained=False, features_only=True
        ).feature_info.reduction()
        indices = [i for i, stride in enumerate(reductions) if stride >= FINEST_STRIDE]
        self.net = timm.create_model(
            name, pretrained=False, features_only=True, out_indices=tuple(indices)
        )
        self.align_corners = align_corners
        self.aux_channels = self.main_channels = sum(self.net.feature_info.channels())


def build_backbone(name: str, *, align_corners: bool) -> Backbone:
    """Build a backbone by its timm name, with random weights.

    Raises:
        ParamsError: timm has no such model, or the model returns no features.
    """
    if not is_known_backbone(name):
        raise ParamsError(
            f"model.backbone {name[:80]!r}: timm has no such model, and no hub is asked. Take one of timm."
        )
    if name.startswith("hrnet"):
        return HRNetBackbone(name, align_corners=align_corners)
    try:
        return DilatedBackbone(name)
    except (NotImplementedError, TypeError, AssertionError):
        return PyramidBackbone(name, align_corners=align_corners)
    except RuntimeError as error:
        raise ParamsError(
            f"model.backbone {name!r} cannot be used: {error}. Take a timm model with features."
        ) from error


def join_levels(levels: Sequence[Tensor], *, align_corners: bool) -> Tensor:
    """Resize feature maps bilinearly to the size of the first and concatenate them."""
    size = levels[0].shape[-2:]
    resized = [
        resize_features(level, (size[0], size[1]), align_corners=align_corners)
        for level in levels[1:]
    ]
    return torch.cat([levels[0], *resized], dim=1)
