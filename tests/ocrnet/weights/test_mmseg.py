"""mmsegmentation's files: other names throughout the head, no bias before a norm, ResNetV1c."""

from pathlib import Path

import torch

from ocrnet.weights import load_weights
from tests.ocrnet.weights.models import CLASSES, KEY, MID, assert_outputs, small_ocrnet
from tests.ocrnet.weights.released import disturbed
from tests.ocrnet.weights.released_mmseg import MmsegResNetOcr


def test_the_reference_has_the_size_that_mmsegmentation_has() -> None:
    with torch.device("meta"):
        net = MmsegResNetOcr(19)
    assert sum(p.numel() for p in net.parameters()) == 36_524_166


def test_ocrnet_r50_d8_computes_the_same_here(tmp_path: Path) -> None:
    theirs = disturbed(MmsegResNetOcr(CLASSES, MID, KEY))
    content = {"meta": {"CLASSES": ["road"]}, "state_dict": theirs.state_dict()}
    torch.save(content, tmp_path / "mmseg.pth")
    ours = small_ocrnet("resnet50c", head_variant="mmseg")
    report = load_weights(ours, tmp_path / "mmseg.pth")
    assert report.format == "mmseg"
    assert not report.missing
    assert not report.unexpected
    assert not report.warnings
    assert (
        dict(report.renamed)["backbone.stem.4.running_mean"] == "backbone.net.conv1.4.running_mean"
    )
    images = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        aux, main = theirs(images)
    assert_outputs(ours, images, aux, main)


def test_a_width_that_differs_is_told(tmp_path: Path) -> None:
    """Its auxiliary head on ResNets has 256 channels, the official variant 512."""
    torch.save(MmsegResNetOcr(CLASSES, MID, KEY).state_dict(), tmp_path / "mmseg.pth")
    report = load_weights(small_ocrnet("resnet50c"), tmp_path / "mmseg.pth")
    assert (
        "aux_head.0.weight: [256, 1024, 3, 3] in the file, [512, 1024, 3, 3] in the model"
        in report.warnings[0]
    )
    assert "aux_head.1.running_var" in report.missing
    assert "aux_head.0.bias" in report.missing
    assert "aux_head.3.bias" in report.loaded
