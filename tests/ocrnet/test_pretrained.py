"""Pretrained weights come from where the user said, or the run says why not."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from ocrnet.errors import BundleError
from ocrnet.models import build_segmenter
from ocrnet.models.output import SegmentationModel
from ocrnet.pretrained import load_backbone_weights


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


def test_a_file_of_another_backbone_is_refused(model: SegmentationModel, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file(timm.create_model("resnet50").state_dict(), path)
    with pytest.raises(BundleError, match=r"of the entries of resnet18 are in it, at least 95%"):
        load_backbone_weights(model, "resnet18", str(path))


def test_a_missing_file_is_named(model: SegmentationModel) -> None:
    with pytest.raises(BundleError, match=r"nowhere\.pth: no such file"):
        load_backbone_weights(model, "resnet18", "nowhere.pth")


def test_false_leaves_the_random_weights(model: SegmentationModel) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    load_backbone_weights(model, "resnet18", False)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
