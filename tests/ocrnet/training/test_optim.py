"""The schedule and the groups of the optimizer, by hand."""

import pytest
from torch import nn

from ocrnet.models import build_segmenter
from ocrnet.models.layers import read_layers
from ocrnet.training.optim import build_optimizer, learning_rate, set_learning_rate
from tests.ocrnet.conftest import toy_params


def test_the_rate_warms_up_linearly_and_falls_to_zero_by_the_poly_rule() -> None:
    recipe = toy_params(steps=100, lr=1.0, warmup_steps=4, power=0.9).train
    assert learning_rate(0, recipe) == pytest.approx(0.25)
    assert learning_rate(3, recipe) == pytest.approx(0.97**0.9)
    assert learning_rate(50, recipe) == pytest.approx(0.5**0.9)
    assert 0 < learning_rate(99, recipe) < 0.02


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Conv2d(3, 4, 1)
        self.head = nn.Conv2d(4, 2, 1)


def test_the_backbone_has_its_rate_and_biases_do_not_decay() -> None:
    recipe = toy_params(lr=1.0, backbone_lr_mult=0.1, weight_decay=0.5).train
    net = Net()
    optimizer = build_optimizer(net, recipe)
    set_learning_rate(optimizer, 2.0)
    by_weight = {id(w): group for group in optimizer.param_groups for w in group["params"]}
    assert len(by_weight) == 4
    assert by_weight[id(net.backbone.weight)]["lr"] == pytest.approx(0.2)
    assert by_weight[id(net.head.weight)]["lr"] == 2.0
    assert by_weight[id(net.head.weight)]["weight_decay"] == 0.5
    assert by_weight[id(net.head.bias)]["weight_decay"] == 0.0


def test_a_pretrained_transformer_learns_less_in_its_first_layers_and_positions_do_not_decay() -> (
    None
):
    """The rates of a plain transformer of 12 blocks: the last block has the full rate, each earlier one 0.9 of it."""
    name = "vit_small_patch14_dinov2"
    model = build_segmenter(
        "ocrnet", backbone=name, num_classes=3, mid_channels=16, key_channels=8, stride="pyramid"
    )
    recipe = toy_params(layer_decay=0.9, backbone_lr_mult=0.5, weight_decay=0.1).train
    optimizer = build_optimizer(model, recipe, read_layers(name))
    group_of = {id(weight): group for group in optimizer.param_groups for weight in group["params"]}
    groups = {name: group_of[id(weight)] for name, weight in model.named_parameters()}
    inside = "backbone.net.model."
    first, second, last = (
        groups[f"{inside}blocks.{index}.attn.qkv.weight"]["rate"] for index in (0, 1, 11)
    )
    assert second / first == pytest.approx(1 / 0.9)
    assert last / first == pytest.approx(0.9**-11)
    assert last == pytest.approx(0.5)
    assert groups[f"{inside}pos_embed"]["rate"] < first
    assert groups[f"{inside}pos_embed"]["weight_decay"] == 0.0
    assert groups[f"{inside}blocks.0.attn.qkv.weight"]["weight_decay"] == 0.1
    assert groups["head.classify.weight"]["rate"] == 1.0


@pytest.mark.parametrize(
    ("backbone", "is_transformer"),
    [
        ("swin_tiny_patch4_window7_224", True),
        ("coat_lite_tiny", True),  # its attention has another name
        ("convnext_atto", False),
        ("eca_nfnet_l0", False),  # its gates of channels are called attention
        ("seresnet50", False),
    ],
)
def test_a_transformer_has_queries(backbone: str, is_transformer: bool) -> None:
    assert read_layers(backbone).is_transformer is is_transformer


def test_layers_of_a_network_without_attention_have_one_rate() -> None:
    name = "convnext_atto"
    model = build_segmenter(
        "ocrnet", backbone=name, num_classes=3, mid_channels=16, key_channels=8, stride="pyramid"
    )
    recipe = toy_params(layer_decay=0.9, backbone_lr_mult=0.5).train
    optimizer = build_optimizer(model, recipe, read_layers(name))
    assert {group["rate"] for group in optimizer.param_groups} == {0.5, 1.0}
