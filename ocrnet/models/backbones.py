"""Backbones: timm models that give the two feature maps an OCR head wants.

HRNet differs from timm's in its fusion: timm fuses branches with nearest upsampling by a fixed factor (the
ImageNet model), which changes the segmentation model by 12% of its output and crashes on sizes that 32 does
not divide. Here branches are resized bilinearly to the size of the branch they join. Parameter names stay
timm's, which are the official ones.
"""

from collections.abc import Sequence
from typing import NamedTuple

import timm
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ocrnet.errors import ParamsError

FINEST_STRIDE = 4


class Features(NamedTuple):
    """What the auxiliary head and the main head look at; HRNet gives both the same map."""

    aux: Float[Tensor, "B C2 h2 w2"]
    main: Float[Tensor, "B C h w"]


class Backbone(nn.Module):
    """Base of the wrappers below.

    Attributes:
        aux_channels: channels of `Features.aux`.
        main_channels: channels of `Features.main`.
    """

    aux_channels: int
    main_channels: int

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Features:
        """Return the feature maps of images."""
        raise NotImplementedError


class SizedFusion(nn.Module):
    """One HRNet module whose branches meet by bilinear resizing to the size of the branch they join."""

    branches: nn.ModuleList
    fuse_layers: nn.ModuleList

    def __init__(self, module: nn.Module, *, align_corners: bool) -> None:
        super().__init__()
        branches, fuse_layers = module.branches, module.fuse_layers
        assert isinstance(branches, nn.ModuleList)
        assert isinstance(fuse_layers, nn.ModuleList)
        self.branches, self.fuse_layers = branches, fuse_layers
        self.align_corners = align_corners
        for outer in self.fuse_layers:
            assert isinstance(outer, nn.ModuleList)
            for layer in outer:
                if isinstance(layer, nn.Sequential) and isinstance(layer[-1], nn.Upsample):
                    layer[-1] = nn.Identity()

    def forward(self, feats: list[Tensor]) -> list[Tensor]:
        """Run the branches, finest first, and fuse each with all others."""
        feats = [branch(feat) for branch, feat in zip(self.branches, feats, strict=True)]
        return [self._fuse(i, feats) for i in range(len(self.fuse_layers))]

    def _fuse(self, target: int, feats: list[Tensor]) -> Tensor:
        size = feats[target].shape[-2:]
        layers = self.fuse_layers[target]
        assert isinstance(layers, nn.ModuleList)
        fused = None
        for source, feat in enumerate(feats):
            term: Tensor = layers[source](feat)
            if source > target:
                term = F.interpolate(
                    term, size=size, mode="bilinear", align_corners=self.align_corners
                )
            fused = term if fused is None else fused + term
        assert fused is not None
        return F.relu(fused)


class HRNetBackbone(Backbone):
    """HRNet's four branches, resized to the finest and concatenated; any input size."""

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

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Features:
        """Return the concatenated branches at a quarter of the input size."""
        feats = join_levels(self.net(images), align_corners=self.align_corners)
        return Features(feats, feats)


class DilatedBackbone(Backbone):
    """The last two levels of a network dilated to an output stride of 8, as in the ResNet variants."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.net = timm.create_model(
            name, pretrained=False, features_only=True, output_stride=8, out_indices=(-2, -1)
        )
        self.aux_channels, self.main_channels = self.net.feature_info.channels()

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Features:
        """Return the last two feature maps."""
        aux, main = self.net(images)
        return Features(aux, main)


class PyramidBackbone(Backbone):
    """All levels from stride 4 on of a network that cannot be dilated, resized to the finest and concatenated."""

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

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Features:
        """Return the concatenated levels at the size of the finest."""
        feats = join_levels(self.net(images), align_corners=self.align_corners)
        return Features(feats, feats)


def build_backbone(name: str, *, align_corners: bool) -> Backbone:
    """Build a backbone by its timm name, with random weights.

    Raises:
        ParamsError: timm has no such model, or it gives no features.
    """
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
        F.interpolate(level, size=size, mode="bilinear", align_corners=align_corners)
        for level in levels[1:]
    ]
    return torch.cat([levels[0], *resized], dim=1)
