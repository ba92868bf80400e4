"""The encoder-decoder OCRNet: its strides, its regions over a grid, and the join of the context."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from ocrnet.models import build_segmenter
from ocrnet.models.ocr import gather_regions
from ocrnet.models.ocr_cascade import Cascade, JoinedContext, OCRCascade, _cell_weights


def build(backbone: str = "tf_efficientnet_lite0", **options: Any) -> OCRCascade:
    torch.manual_seed(0)
    model = build_segmenter(
        "ocr_cascade", backbone=backbone, num_classes=3, mid_channels=32, key_channels=8, **options
    )
    assert isinstance(model, OCRCascade)
    return model


@pytest.mark.parametrize(
    ("backbone", "stride"),
    [("tf_efficientnet_lite0", 2), ("resnet18", 2), ("hrnet_w18_small", 4), ("convnext_atto", 4)],
)
def test_logits_have_the_stride_of_the_finest_level(backbone: str, stride: int) -> None:
    model = build(backbone).eval()
    with torch.inference_mode():
        output = model(torch.zeros(1, 3, 101, 131))
    assert output.logits.shape[2:] == (math.ceil(101 / stride), math.ceil(131 / stride))
    assert output.aux_logits is not None
    assert output.aux_logits.shape[2:] == (math.ceil(101 / 16), math.ceil(131 / 16))


def context(**options: object) -> JoinedContext:
    torch.manual_seed(0)
    return JoinedContext(6, mid_channels=8, key_channels=4, dropout=0.0, **options).eval()  # type: ignore[arg-type]


def test_a_grid_as_fine_as_the_map_gathers_over_all_pixels() -> None:
    pixels, soft = torch.randn(2, 8, 5, 5), torch.randn(2, 3, 5, 5)
    over_grid = context(joined_by="concat", region_grid=5)._gather(pixels, soft)
    torch.testing.assert_close(over_grid, gather_regions(pixels, soft))


def test_a_grid_of_one_cell_gives_each_region_the_mean_of_all_pixels() -> None:
    pixels, soft = torch.randn(2, 8, 6, 4), torch.randn(2, 3, 6, 4)
    regions = context(joined_by="concat", region_grid=1)._gather(pixels, soft)
    torch.testing.assert_close(regions, pixels.mean((2, 3))[:, :, None].expand(-1, -1, 3))


def test_an_added_context_is_the_convolution_of_the_sum() -> None:
    """With the norm at its first statistics (mean 0, variance 1) and an identity as convolution: relu(y + x)."""
    module = context(joined_by="add", region_grid=0)
    conv = module.fuse[0]
    with torch.no_grad():
        conv.weight.copy_(torch.eye(8)[:, :, None, None])  # type: ignore[operator]
    pixels, added = torch.randn(1, 8, 3, 3), torch.randn(1, 8, 3, 3)
    expected = (pixels + added).relu() / math.sqrt(1 + 1e-5)
    torch.testing.assert_close(module._augment(added, pixels), expected)


def test_a_pixel_of_any_level_reaches_the_logits_around_its_place() -> None:
    """With convolutions that add up the channels of a pixel, what is left is the resizing, which keeps the centre."""
    cascade = Cascade(4, (2, 3, 5), 1, align_corners=False).eval()
    with torch.no_grad():
        for module in cascade.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.zero_()
                module.weight[..., module.kernel_size[0] // 2, module.kernel_size[1] // 2] = 1.0
    shapes = ((2, 48, 80), (3, 24, 40), (5, 12, 20), (4, 6, 10))  # the last is the deep map
    levels = [torch.zeros(1, *shape) for shape in shapes]
    background = cascade(levels[3], levels[:3])
    for index, scale in enumerate((1, 2, 4, 8)):
        changed = [level.clone() for level in levels]
        changed[index][0, 0, 3, 4] = 1.0
        moved = (cascade(changed[3], changed[:3]) - background)[0, 0]
        if index == 0:
            assert torch.nonzero(moved).tolist() == [[3, 4]]
        for along, place in ((moved.sum(1), 3), (moved.sum(0), 4)):
            centre = (along * torch.arange(len(along))).sum() / along.sum()
            assert centre.item() == pytest.approx((place + 0.5) * scale - 0.5, abs=1e-3)


def test_the_levels_of_stride_16_and_more_are_the_deep_ones() -> None:
    model = build()
    assert model.fine == 3
    channels = model.backbone.channels
    assert model.aux_head[0].in_channels == sum(channels[3:])


@pytest.mark.parametrize("joined_by", ["concat", "add"])
@pytest.mark.parametrize("region_grid", [0, 2])
def test_every_weight_of_the_cascade_learns(joined_by: str, region_grid: int) -> None:
    model = build("resnet18", context=joined_by, region_grid=region_grid)
    output = model(torch.randn(2, 3, 64, 96))
    assert output.aux_logits is not None
    output.logits.square().sum().backward()
    still = [
        name
        for name, weight in model.named_parameters()
        if weight.grad is None or not weight.grad.any()
    ]
    # timm's residual blocks begin as identities, so that most of their weights have no gradient yet.
    assert not [name for name in still if not name.startswith("backbone.net.layer")]


@given(st.integers(1, 40), st.integers(1, 12))
def test_the_cells_of_an_export_are_those_of_torch(length: int, side: int) -> None:
    """On a side of pixels; more cells than pixels overlap."""
    pixels = torch.randn(1, 2, length, generator=torch.Generator().manual_seed(0))
    weights = _cell_weights(length, side, pixels)
    torch.testing.assert_close(
        pixels @ weights.transpose(0, 1), F.adaptive_avg_pool1d(pixels, side)
    )
