"""openseg's files: another stem, biases where ours has none, and on one branch another norm and activation."""

from pathlib import Path

import pytest
import torch

from ocrnet.models.backbones import JoinedBackbone, join_levels
from ocrnet.weights import load_weights
from tests.ocrnet.weights.models import CLASSES, KEY, MID, assert_outputs, small_ocrnet
from tests.ocrnet.weights.released import disturbed
from tests.ocrnet.weights.released_openseg import (
    InPlaceAbn,
    OpensegHRNetHead,
    OpensegResNet50,
    OpensegResNetOcr,
    silent_abn,
)

NORMS = 64  # of ResNet-50 with a deep stem (55) and of the head (9)


def test_the_reference_has_the_size_that_openseg_has() -> None:
    with torch.device("meta"):
        net = OpensegResNetOcr(19)
    assert len(net.state_dict()) == 397
    assert sum(p.numel() for p in net.parameters()) == 38_996_710


@pytest.mark.parametrize(("abn", "head_variant"), [(False, "openseg"), (True, "openseg_leaky")])
def test_a_resnet_of_either_branch_computes_the_same_here(
    tmp_path: Path, abn: bool, head_variant: str
) -> None:
    theirs = disturbed(OpensegResNetOcr(CLASSES, MID, KEY, abn=abn))
    state = {f"module.{name}": value for name, value in theirs.state_dict().items()}
    torch.save({"config_dict": {"lr": 0.01}, "state_dict": state}, tmp_path / "openseg.pth")
    ours = small_ocrnet("deepbase_resnet50", head_variant=head_variant, align_corners=True)
    report = load_weights(ours, tmp_path / "openseg.pth")
    assert report.format == "openseg"
    assert not report.missing
    assert not report.unexpected
    assert len(report.warnings) == 1
    assert "BGR" in report.warnings[0]
    # The seven 1x1 projections of the head have biases there.
    assert sum(name.endswith("running_mean") for name, _ in report.converted) == 7
    assert sum("gamma" in how for _, how in report.converted) == (NORMS if abn else 0)
    images = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        aux, main = theirs(images)
    assert aux.shape[-2:] == (9, 13)  # 8 k + 1: the pooling rounds up
    assert_outputs(ours, images, aux, main)


def test_the_head_on_hrnet_computes_the_same_here(tmp_path: Path) -> None:
    """Its auxiliary head is 3x3, and its classifier there is module 2 of the sequence."""
    ours = disturbed(small_ocrnet("hrnet_w18_small", head_variant="openseg", align_corners=True))
    theirs = disturbed(OpensegHRNetHead(240, CLASSES, MID, KEY), seed=1)
    backbone = {
        name.replace("backbone.net.", "backbone."): value
        for name, value in ours.state_dict().items()
        if name.startswith("backbone.net.")
    }
    torch.save({**theirs.state_dict(), **backbone}, tmp_path / "openseg.pth")
    report = load_weights(ours, tmp_path / "openseg.pth")
    assert report.format == "openseg"
    assert not report.missing
    assert not report.unexpected
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    assert isinstance(ours.backbone, JoinedBackbone)
    with torch.inference_mode():
        aux, main = theirs(join_levels(ours.backbone.levels(images).main, align_corners=True))
    assert_outputs(ours, images, aux, main)


def test_a_model_that_does_not_fit_the_file_is_told(tmp_path: Path) -> None:
    """ReLU in place of a leaky ReLU, a pooling that rounds down and half a pixel of shift leave no trace in names."""
    torch.save(OpensegResNetOcr(CLASSES, MID, KEY, abn=True).state_dict(), tmp_path / "master.pth")
    ours = small_ocrnet("deepbase_resnet50", head_variant="openseg", align_corners=False)
    pool = ours.get_submodule("backbone.net.maxpool")
    assert isinstance(pool, torch.nn.MaxPool2d)
    pool.ceil_mode = False
    warnings = "\n".join(load_weights(ours, tmp_path / "master.pth").warnings)
    assert "Set model.head_variant to openseg_leaky" in warnings
    assert "Set model.align_corners to true" in warnings
    assert "Set model.backbone to deepbase_resnet50" in warnings


def test_an_imagenet_file_of_the_deep_stem_fills_the_backbone(tmp_path: Path) -> None:
    """Openseg starts from files that call the stem conv1 bn1 conv2 bn2 conv3 bn3, without resinit."""
    theirs = disturbed(OpensegResNet50(torch.nn.BatchNorm2d))
    state = {name.removeprefix("resinit."): value for name, value in theirs.state_dict().items()}
    torch.save({**state, "fc.weight": torch.zeros(1000, 2048)}, tmp_path / "imagenet.pth")
    ours = small_ocrnet("deepbase_resnet50")
    report = load_weights(ours, tmp_path / "imagenet.pth")
    assert report.format == "backbone"
    assert report.unexpected == ("fc.weight",)
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        _, want = theirs(images)
        got = ours.get_submodule("backbone")(images).main
    assert (got - want).abs().max() <= 1e-4 * want.abs().max()


def test_in_place_abn_scales_by_the_absolute_weight() -> None:
    """The rule that conversions rely on, by hand: gamma -2, mean 1, variance 4, at x = 5."""
    norm = silent_abn(1)
    norm.load_state_dict(
        dict(
            zip(
                ("weight", "bias", "running_mean", "running_var"),
                map(torch.tensor, ([-2.0], [0.5], [1.0], [4.0])),
                strict=True,
            )
        )
    )
    assert norm(torch.full((1, 1, 1, 1), 5.0)).item() == pytest.approx(4.5, abs=1e-4)
    assert isinstance(norm, InPlaceAbn)
