"""The OCR head against the released code's numbers, and against what the paper says it computes."""

import json
import math
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from torch import nn

from ocrnet.models import build_segmenter
from ocrnet.models.folded_heads import FoldedAuxHead, FoldedOCRHead
from ocrnet.models.ocr import AuxHead, OCRHead, attend_regions, gather_regions
from tests.ocrnet.models.official import load_official

GOLDEN = Path(__file__).parents[2] / "golden" / "ocr_parity"


@pytest.mark.parametrize("is_folded", [False, True])
def test_the_head_gives_the_numbers_of_the_released_code(is_folded: bool) -> None:
    """Within 1e-4 of the maximum: the smallest planted mistake, an eps of 1e-3 in the norms, moves it by 1.7e-3."""
    golden = np.load(GOLDEN / "head_official.npz")
    feats = torch.from_numpy(golden["input"])
    aux_head = AuxHead(270, 19, width=270, kernel=1)
    head = OCRHead(270, 19, mid_channels=512, key_channels=256)
    parts = nn.ModuleDict({"aux_head": aux_head, "head": head})
    load_official(parts, json.loads((GOLDEN / "head_official.keys.json").read_text()))
    parts.eval()
    with torch.inference_mode():
        aux = (FoldedAuxHead(aux_head) if is_folded else aux_head)([feats])
        logits = (FoldedOCRHead(head) if is_folded else head)([feats], aux)
    for got, name in ((aux, "aux"), (logits, "main")):
        want = golden[name]
        assert np.abs(got.numpy() - want).max() <= 1e-4 * np.abs(want).max(), name


def test_saturated_region_logits_give_class_means() -> None:
    pixels = torch.randn(2, 5, 4, 6, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(2 * 4 * 6).reshape(2, 4, 6) % 3
    aux_logits = 1e4 * torch.nn.functional.one_hot(labels, 3).permute(0, 3, 1, 2).float()
    regions = gather_regions(pixels, aux_logits)
    for image in range(2):
        for label in range(3):
            mean = pixels[image][:, labels[image] == label].mean(dim=1)
            torch.testing.assert_close(regions[image, :, label], mean)


def test_regions_do_not_depend_on_the_order_of_pixels() -> None:
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randn(1, 5, 3, 8, generator=generator)
    aux_logits = torch.randn(1, 4, 3, 8, generator=generator)
    order = torch.randperm(24, generator=generator)
    shuffled = [x.flatten(2)[..., order].reshape_as(x) for x in (pixels, aux_logits)]
    torch.testing.assert_close(gather_regions(*shuffled), gather_regions(pixels, aux_logits))


@pytest.mark.parametrize("size", [(64, 64), (75, 109), (60, 100)])
def test_any_image_size(size: tuple[int, int]) -> None:
    model = build_segmenter(
        "ocrnet", backbone="hrnet_w18_small", num_classes=4, mid_channels=16, key_channels=8
    ).eval()
    with torch.inference_mode():
        output = model(torch.zeros(1, 3, *size))
    quarter = tuple(math.ceil(math.ceil(side / 2) / 2) for side in size)
    assert output.logits.shape == (1, 4, *quarter)
    assert output.aux_logits is not None
    assert output.aux_logits.shape == (1, 4, *quarter)


def test_the_auxiliary_head_learns_from_the_main_loss() -> None:
    """Region weights are not detached: the released code lets the main loss reach the auxiliary head."""
    model = build_segmenter(
        "ocrnet", backbone="resnet18", num_classes=3, mid_channels=8, key_channels=4
    )
    model(torch.randn(2, 3, 64, 64)).logits.square().sum().backward()
    weight = model.get_submodule("aux_head")[3].weight  # type: ignore[index]
    assert weight.grad is not None
    assert weight.grad.abs().sum() > 0


def test_an_unknown_architecture_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"model\.arch:? 'orcnet' is unknown\. .*Known: ocrnet"):
        build_segmenter("orcnet", backbone="resnet18", num_classes=2)


@pytest.mark.parametrize(
    ("backbone", "params"),
    [
        ("hrnet_w18", 12_080_818),
        ("hrnet_w32", 32_953_894),
        ("hrnet_w48", 70_372_678),
        ("hrnet_w64", 122_259_558),
    ],
)
def test_it_has_as_many_parameters_as_the_released_networks(backbone: str, params: int) -> None:
    """Counted in the released code with 19 classes."""
    with torch.device("meta"):
        model = build_segmenter("ocrnet", backbone=backbone, num_classes=19)
    assert sum(weight.numel() for weight in model.parameters()) == params


def test_an_unknown_form_is_named_with_the_known_ones() -> None:
    with pytest.raises(
        ValueError, match=r"model\.head_variant: 'mmsge' is unknown\. Known: official, openseg"
    ):
        build_segmenter("ocrnet", backbone="resnet18", num_classes=2, head_variant="mmsge")


def test_the_one_head_of_an_export_has_the_bits_of_no_head() -> None:
    """On the CPU, for the layouts that the head gives: transposed maps and regions."""
    generator = torch.Generator().manual_seed(0)
    query, key, value = (
        torch.randn(2, 8, count, generator=generator).transpose(1, 2) for count in (60, 5, 5)
    )
    plain = attend_regions(query, key, value)
    with patch("torch.compiler.is_exporting", return_value=True):
        assert torch.equal(attend_regions(query, key, value), plain)
    weights = (query @ key.transpose(1, 2) * 8**-0.5).softmax(dim=2)
    torch.testing.assert_close(plain, weights @ value)
