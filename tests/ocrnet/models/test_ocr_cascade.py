"""The encoder-decoder OCRNet: its strides, its regions over a grid, and the join of the context."""

import math
from typing import Any

import pytest
import torch

from ocrnet.models import build_segmenter
from ocrnet.models.ocr import gather_regions
from ocrnet.models.ocr_cascade import JoinedContext, OCRCascade


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


def test_a_line_of_one_pixel_reaches_the_logits_at_its_place() -> None:
    """A change of one column of pixels changes the logits of that column most: the decoder keeps the place."""
    model = build().eval()
    image = torch.zeros(1, 3, 96, 96)
    changed = image.clone()
    changed[..., 41] = 3.0
    with torch.inference_mode():
        moved = (model(changed).logits - model(image).logits).abs().sum((0, 1, 2))
    # With random weights the two convolutions of the fine levels may move the peak by a pixel each.
    assert abs(int(moved.argmax()) - 41 // 2) <= 2
