"""Pretrained weights come from where the user said, or the run says why not."""

import logging
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from ocrnet.errors import BundleError, ParamsError
from ocrnet.models import build_segmenter
from ocrnet.models.output import SegmentationModel
from ocrnet.weights.pretrained import load_backbone_weights
from tests.ocrnet.weights.models import CLASSES, KEY, MID, small_ocrnet
from tests.ocrnet.weights.released import disturbed
from tests.ocrnet.weights.released_mmseg import MmsegResNetOcr


@pytest.fixture
def model() -> SegmentationModel:
    return build_segmenter(
        "ocrnet", backbone="resnet18", num_classes=2, mid_channels=8, key_channels=4
    )


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_classifiers_file_fills_the_backbone(
    model: SegmentationModel, tmp_path: Path, suffix: str
) -> None:
    weights = timm.create_model("resnet18").state_dict()
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save({"state_dict": weights}, path)
    else:
        save_file(weights, path)
    load_backbone_weights(model, "resnet18", str(path))
    loaded = model.get_submodule("backbone.net").state_dict()
    assert torch.equal(loaded["layer4.1.conv2.weight"], weights["layer4.1.conv2.weight"])


def test_a_segmenters_file_fills_the_head_too_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    theirs = disturbed(MmsegResNetOcr(CLASSES, MID, KEY))
    torch.save(theirs.state_dict(), tmp_path / "mmseg.pth")
    ours = small_ocrnet("resnet50c", head_variant="mmseg", align_corners=True)
    with caplog.at_level(logging.INFO, logger="ocrnet"):
        load_backbone_weights(ours, "resnet50c", str(tmp_path / "mmseg.pth"))
    got = ours.state_dict()["head.classify.weight"]
    assert torch.equal(got, theirs.state_dict()["decode_head.1.conv_seg.weight"])
    assert "mmseg, 326 of 326 entries loaded" in caplog.text
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(told) == 1
    assert "align_corners=False, but this model with True" in told[0]


def test_a_file_of_another_backbone_is_refused(model: SegmentationModel, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file(timm.create_model("resnet50").state_dict(), path)
    with pytest.raises(BundleError, match=r"^params\.yaml: model\.pretrained: .* at least 95%"):
        load_backbone_weights(model, "resnet18", str(path))


def test_a_missing_file_is_named(model: SegmentationModel) -> None:
    with pytest.raises(BundleError, match=r"model\.pretrained: nowhere\.pth: no such file"):
        load_backbone_weights(model, "resnet18", "nowhere.pth")


@pytest.mark.parametrize("pretrained", [True, "some.pth"])
def test_a_network_without_a_backbone_takes_none(pretrained: bool | str) -> None:
    unet = build_segmenter("unet", backbone="resnet18", num_classes=2)
    with pytest.raises(ParamsError, match=r"model\.pretrained: .*UNet has no backbone"):
        load_backbone_weights(unet, "resnet18", pretrained)


def test_a_backbone_that_timm_has_no_weights_of(model: SegmentationModel) -> None:
    """Told from timm's table, before anything is downloaded."""
    with pytest.raises(ParamsError, match="timm has no weights for deepbase_resnet50"):
        load_backbone_weights(model, "deepbase_resnet50", True)


def test_false_leaves_the_random_weights(model: SegmentationModel) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    load_backbone_weights(model, "resnet18", False)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
