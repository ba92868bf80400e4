"""What `model.freeze` keeps: the weights of a part of the backbone, and the statistics of its norms."""

import pytest
import torch
from torch import nn

from ocrnet.errors import ParamsError
from ocrnet.models import build_segmenter
from ocrnet.models.layers import PREFIX
from ocrnet.models.output import SegmentationModel
from ocrnet.training.freeze import freeze


def build(backbone: str, stride: str = "pyramid") -> SegmentationModel:
    return build_segmenter(
        "ocrnet", backbone=backbone, num_classes=3, mid_channels=16, key_channels=8, stride=stride
    )


def changed_by_a_step(model: SegmentationModel, frozen: list[nn.Module]) -> set[str]:
    """Return the names of the weights and statistics that a training step changes."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    for module in frozen:
        module.eval()
    optimizer = torch.optim.SGD([w for w in model.parameters() if w.requires_grad], lr=0.1)
    model(torch.randn(2, 3, 64, 64)).logits.square().sum().backward()
    optimizer.step()
    return {
        name for name, value in model.state_dict().items() if not torch.equal(value, before[name])
    }


def test_a_frozen_backbone_keeps_weights_and_statistics() -> None:
    model = build("tf_efficientnet_lite0")
    changed = changed_by_a_step(model, freeze(model, "tf_efficientnet_lite0", "backbone"))
    assert changed
    assert not [name for name in changed if name.startswith(PREFIX)]


@pytest.mark.parametrize(
    ("backbone", "stem"),
    [
        ("tf_efficientnet_lite0", {"conv_stem", "bn1"}),  # a norm with an activation inside
        ("convnext_atto", {"stem_0", "stem_1"}),
        ("resnet18", {"conv1", "bn1"}),
        ("densenet121", {"features_conv0", "features_norm0"}),
        ("cs3darknet_focus_s", {"stem_conv1"}),
    ],
)
def test_a_frozen_stem_is_what_is_before_the_first_stage(backbone: str, stem: set[str]) -> None:
    """A step changes none of its weights and statistics, and something in each other part of the backbone."""
    model = build(backbone)
    changed = changed_by_a_step(model, freeze(model, backbone, "stem"))
    all_parts, changed_parts = (
        {name.removeprefix(PREFIX).split(".")[0] for name in names if name.startswith(PREFIX)}
        for names in (model.state_dict(), changed)
    )
    assert all_parts - changed_parts == stem


def test_all_convolutions_of_a_deep_stem_are_frozen() -> None:
    """The stem of openseg's networks, which timm's network of that name does not have."""
    model = build("deepbase_resnet50", stride="8")
    freeze(model, "deepbase_resnet50", "stem")
    kept = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    assert {name.removeprefix(PREFIX).rpartition(".")[0] for name in kept} == {
        "conv1.0", "conv1.1", "conv1.3", "conv1.4", "conv1.6", "bn1"
    }  # fmt: skip


@pytest.mark.parametrize("backbone", ["caformer_s18", "rdnet_tiny"])
def test_a_network_whose_stem_timm_does_not_state_is_refused(backbone: str) -> None:
    with pytest.raises(ParamsError, match=f"timm does not state the stem of {backbone}"):
        freeze(build(backbone), backbone, "stem")


def test_nothing_is_frozen_by_none() -> None:
    model = build("resnet18")
    assert freeze(model, "resnet18", "none") == []
    assert all(weight.requires_grad for weight in model.parameters())


def test_a_frozen_stem_of_a_transformer_leaves_the_rest_in_training() -> None:
    """Its positions are a weight of the whole network, which would be put into eval mode with them."""
    model = build("deit_tiny_patch16_224")
    modules = freeze(model, "deit_tiny_patch16_224", "stem")
    kept = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    assert f"{PREFIX}model.pos_embed" in kept
    model.train()
    for module in modules:
        module.eval()
    assert model.get_submodule(f"{PREFIX}model.blocks.0").training
