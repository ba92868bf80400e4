"""What is particular to fcn, deeplabv3 and unet."""

import pytest
import torch
from torch.nn import functional as F

from ocrnet.errors import ParamsError
from ocrnet.models import build_segmenter
from ocrnet.models.backbones import build_backbone
from ocrnet.models.deeplabv3 import DeepLabV3, atrous_rates
from ocrnet.models.unet import UNet


@pytest.mark.parametrize(
    ("backbone", "rates"),
    [
        ("hrnet_w18_small", (12, 24, 36)),  # stride 4
        ("resnet18", (12, 24, 36)),  # 8
        ("repvit_m0_9", (12, 24, 36)),  # levels joined at 4
        ("vit_tiny_patch16_224", (12, 24, 36)),  # four levels of one map, from 4 on
        ("efficientvit_m0", (6, 12, 18)),  # from 16 on
    ],
)
def test_atrous_rates_suit_the_stride(backbone: str, rates: tuple[int, int, int]) -> None:
    assert atrous_rates(build_backbone(backbone, align_corners=False)) == rates


def test_deeplabv3_says_why_it_cannot_learn_from_one_image() -> None:
    model = DeepLabV3(backbone="resnet18", num_classes=2)
    images = torch.zeros(1, 3, 64, 64)
    with pytest.raises(ParamsError, match=r"train\.batch_size: deeplabv3 has 1 image"):
        model(images)
    assert model(images.expand(2, -1, -1, -1)).logits.shape == (2, 2, 8, 8)
    assert model.eval()(images).logits.shape == (1, 2, 8, 8)


def test_deeplabv3_learns_from_one_image_with_group_norm() -> None:
    model = build_segmenter("deeplabv3", backbone="resnet18", num_classes=2, norm="group")
    assert model(torch.zeros(1, 3, 64, 64)).logits.shape == (1, 2, 8, 8)


def test_unet_with_the_width_of_the_paper_has_its_size() -> None:
    """31.03 M weights in convolutions and norms are the paper's; here 1x1 convolutions stand for its 2x2 ones.

    By hand: a 3x3 convolution has 9 * in * out weights, a norm 2 * out, and the up-convolutions lose 3 of 4 weights.
    """
    widths = [64, 128, 256, 512, 1024]
    pairs = list(zip([3, *widths[:-1]], widths, strict=True))
    encoder = sum(9 * (a * b + b * b) + 4 * b for a, b in pairs)
    decoder = sum(9 * (2 * w * w + w * w) + 4 * w + 2 * w * w + w for w in widths[:-1])
    classifier = 64 * 11 + 11
    model = UNet(num_classes=11, mid_channels=256)
    assert sum(weight.numel() for weight in model.parameters()) == encoder + decoder + classifier


@pytest.mark.parametrize("align_corners", [False, True])
def test_unet_is_resize_then_convolve_then_join(align_corners: bool) -> None:
    """The 1x1 convolution before the resize gives what it would after it."""
    torch.manual_seed(0)
    model = UNet(num_classes=3, mid_channels=8, align_corners=align_corners).eval()
    images = torch.randn(1, 3, 37, 50)
    with torch.inference_mode():
        skips = [model.down[0](images)]
        for block in list(model.down)[1:]:
            skips.append(block(F.max_pool2d(skips[-1], 2)))
        feats = skips[4]
        for level in (3, 2, 1, 0):
            size = skips[level].shape[-2:]
            large = F.interpolate(feats, size=size, mode="bilinear", align_corners=align_corners)
            joined = torch.cat([skips[level], model.narrow[level](large)], dim=1)
            feats = model.up[level](joined)
        torch.testing.assert_close(model(images).logits, model.classify(feats))


def test_unet_refuses_a_width_it_cannot_divide() -> None:
    with pytest.raises(
        ParamsError, match=r"model\.mid_channels: 18 is no multiple of 4.* Set 16\."
    ):
        UNet(num_classes=2, mid_channels=18)
