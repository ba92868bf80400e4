"""What is particular to decoders: the stride of their logits, and the U-Net as the rival of the cascade."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from ocrnet.bundles.card import Options
from ocrnet.errors import ParamsError
from ocrnet.models import build_segmenter, segmenter_options
from ocrnet.models.backbone_unet import BackboneUNet
from ocrnet.models.backbones import build_backbone
from ocrnet.models.output import SegmentationModel

DECODERS = ("ocr_cascade", "backbone_unet")
SIZE = (75, 109)


def build(arch: str, backbone: str = "test_resnet", **options: Any) -> SegmentationModel:
    torch.manual_seed(0)
    return build_segmenter(
        arch, backbone=backbone, num_classes=3, mid_channels=16, key_channels=8, **options
    )


@pytest.mark.parametrize("arch", DECODERS)
@pytest.mark.parametrize(
    ("backbone", "finest", "wanted", "stride"),
    [
        ("test_resnet", 2, None, 2),
        ("test_resnet", 2, 2, 2),
        ("test_resnet", 2, 1, 1),
        ("test_convnext", 4, None, 4),
        ("test_convnext", 4, 2, 2),
        ("test_convnext", 4, 1, 1),
        ("test_vit", 4, 1, 1),
    ],
)
def test_logits_have_the_stride_that_is_asked_for(
    arch: str, backbone: str, finest: int, wanted: int | None, stride: int
) -> None:
    model = build(arch, backbone, decoder_stride=wanted)
    logits = model.eval()(torch.zeros(1, 3, *SIZE)).logits
    assert logits.shape[2:] == tuple(math.ceil(side / stride) for side in SIZE)
    added: Any = model.get_submodule("image_levels").channels
    assert len(added) == int(math.log2(finest / stride))


@pytest.mark.parametrize("arch", DECODERS)
@pytest.mark.parametrize("backbone", ["test_resnet", "test_convnext"])
def test_the_levels_of_the_image_learn_and_are_seen_by_the_logits(arch: str, backbone: str) -> None:
    model = build(arch, backbone, decoder_stride=1)
    images = torch.randn(2, 3, *SIZE)
    model(images).logits.square().sum().backward()
    levels = [(name, weight) for name, weight in model.named_parameters() if "image_levels" in name]
    assert levels
    for name, weight in levels:
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name


@pytest.mark.parametrize("arch", DECODERS)
def test_auto_adds_no_weight_and_no_key_to_the_card(arch: str) -> None:
    section = {
        "backbone": "test_resnet",
        "norm": "batch",
        "stride": "auto",
        "decoder_stride": "auto",
    }
    assert "decoder_stride" not in segmenter_options(section)
    assert segmenter_options({**section, "decoder_stride": 1})["decoder_stride"] == 1
    assert "image_levels" not in " ".join(build(arch).state_dict())
    assert "decoder_stride" in Options.__dataclass_fields__


def test_a_vgg_gives_its_own_level_of_stride_1() -> None:
    """It has one, so the image needs no level beside it; without the option the level is left out."""
    model = build("backbone_unet", "vgg11", decoder_stride=1)
    assert isinstance(model, BackboneUNet)
    assert model.backbone.strides[0] == 1
    assert not model.image_levels.channels
    coarse = build("backbone_unet", "vgg11")
    assert isinstance(coarse, BackboneUNet)
    assert coarse.backbone.strides[0] == 2


def test_the_unet_decodes_the_levels_of_the_cascade() -> None:
    """The encoder is equal to the bit, and the widths of resnet18 are those of the textbook."""
    unet = build_segmenter("backbone_unet", backbone="resnet18", num_classes=3, mid_channels=256)
    assert isinstance(unet, BackboneUNet)
    convolutions = [
        (layer.in_channels, layer.out_channels)
        for layer in unet.blocks.modules()
        if isinstance(layer, nn.Conv2d)
    ]
    assert convolutions == [
        (512 + 256, 256), (256, 256), (256 + 128, 128), (128, 128), (128 + 64, 64), (64, 64), (64 + 64, 32), (32, 32),
    ]  # fmt: skip
    ours, theirs = build("backbone_unet").state_dict(), build("ocr_cascade").state_dict()
    encoder = [name for name in theirs if name.startswith("backbone.")]
    assert encoder == [name for name in ours if name.startswith("backbone.")]
    assert all(torch.equal(ours[name], theirs[name]) for name in encoder)


def test_a_network_dilated_to_stride_4_has_maps_of_a_quarter_of_the_image() -> None:
    """EfficientNet can be dilated that far; its weights are those of stride 8, and timm's ResNets refuse it."""
    nets = {
        stride: build_backbone("tf_efficientnet_lite0", align_corners=False, stride=stride)
        for stride in ("4", "8")
    }
    shapes = [
        {name: value.shape for name, value in net.state_dict().items()} for net in nets.values()
    ]
    assert shapes[0] == shapes[1]
    with torch.inference_mode():
        aux, main = nets["4"].eval()(torch.zeros(1, 3, 64, 96))
    assert aux.shape[2:] == main.shape[2:] == (16, 24)
    with pytest.raises(
        ParamsError, match=r"model.stride 4: resnet18 cannot be dilated \(timm refuses"
    ):
        build_backbone("resnet18", align_corners=False, stride="4")
    with pytest.raises(ParamsError, match="stride 4 is wanted"):
        build_backbone("deepbase_resnet50", align_corners=False, stride="4")
