"""Backbones keep timm's names, take any size, and HRNet fuses by bilinear resizing."""

import pytest
import timm
import torch
from torch import nn

from ocrnet.errors import ParamsError
from ocrnet.models.backbones import DilatedBackbone, HRNetBackbone, PyramidBackbone, build_backbone


@pytest.fixture(scope="module")
def hrnet() -> HRNetBackbone:
    return HRNetBackbone("hrnet_w18_small", align_corners=False)


def test_hrnet_keeps_the_names_of_its_weights(hrnet: HRNetBackbone) -> None:
    plain = timm.create_model(
        "hrnet_w18_small", features_only=True, feature_location="", out_indices=(1, 2, 3, 4)
    )
    ours = {name: value.shape for name, value in hrnet.net.state_dict().items()}
    assert ours == {name: value.shape for name, value in plain.state_dict().items()}


def test_hrnet_fusion_differs_from_nearest_only_by_its_interpolation(hrnet: HRNetBackbone) -> None:
    """On features that are constant over space, bilinear and nearest resizing agree, so both networks must."""
    plain = timm.create_model(
        "hrnet_w18_small", features_only=True, feature_location="", out_indices=(1, 2, 3, 4)
    )
    plain.load_state_dict(hrnet.net.state_dict())
    fused = hrnet.net.stage4[0].eval()
    nearest = plain.stage4[0].eval()
    levels = [torch.randn(1, c, 1, 1) for c in (16, 32, 64, 128)]
    flat = [x.expand(-1, -1, 32 >> i, 32 >> i).contiguous() for i, x in enumerate(levels)]
    for branch in (*fused.branches, *nearest.branches):
        branch.forward = lambda x: x  # leave the fusion alone
    ours, theirs = fused(list(flat)), nearest(list(flat))
    interior = (
        ...,
        slice(8, 24),
        slice(8, 24),
    )  # strided convolutions see the padding at the border
    torch.testing.assert_close(ours[0][interior], theirs[0][interior])
    ramp = [torch.arange(32 >> i, dtype=torch.float32).expand_as(x) for i, x in enumerate(flat)]
    assert not torch.allclose(fused(list(ramp))[0], nearest(list(ramp))[0])


@pytest.mark.parametrize(
    ("name", "kind", "aux", "main"),
    [
        ("resnet18", DilatedBackbone, (256, 8), (512, 8)),
        ("convnext_atto", DilatedBackbone, (160, 8), (320, 8)),
    ],
)
def test_dilated_backbones_give_the_last_two_levels_at_stride_8(
    name: str, kind: type, aux: tuple[int, int], main: tuple[int, int]
) -> None:
    backbone = build_backbone(name, align_corners=False).eval()
    assert isinstance(backbone, kind)
    with torch.inference_mode():
        feats = backbone(torch.zeros(1, 3, 64, 96))
    assert feats.aux.shape == (1, aux[0], 64 // aux[1], 96 // aux[1])
    assert feats.main.shape == (1, main[0], 64 // main[1], 96 // main[1])


def test_a_network_that_cannot_be_dilated_gives_its_joined_levels() -> None:
    backbone = build_backbone("repvit_m0_9", align_corners=False).eval()
    assert isinstance(backbone, PyramidBackbone)
    with torch.inference_mode():
        feats = backbone(torch.zeros(1, 3, 64, 96))
    assert feats.main.shape == (1, backbone.main_channels, 16, 24)


def test_an_unknown_backbone_is_named() -> None:
    with pytest.raises(ParamsError, match="'resnet1' is no model of timm"):
        build_backbone("resnet1", align_corners=False)


def test_the_deep_base_gives_the_map_sizes_of_openseg() -> None:
    """A stem of 64-64-128 and a pooling that rounds up: 65x129 for an image of 512x1024, here an eighth of it."""
    backbone = build_backbone("deepbase_resnet50", align_corners=True).eval()
    stem = [layer.out_channels for layer in backbone.net.conv1 if isinstance(layer, nn.Conv2d)]  # type: ignore[union-attr]
    assert stem == [64, 64, 128]
    with torch.inference_mode():
        feats = backbone(torch.zeros(1, 3, 64, 128))
    assert feats.aux.shape == (1, 1024, 9, 17)
    assert feats.main.shape == (1, 2048, 9, 17)


def test_the_deep_stem_of_mmsegmentation_is_timms_c_variant() -> None:
    backbone = build_backbone("resnet50c", align_corners=False)
    stem = [layer.out_channels for layer in backbone.net.conv1 if isinstance(layer, nn.Conv2d)]  # type: ignore[union-attr]
    assert stem == [32, 32, 64]
    assert sum(p.numel() for p in backbone.parameters()) == 23_527_264  # its published backbone
