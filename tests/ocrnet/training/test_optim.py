"""The schedule, the groups of the optimizer and the average of weights, by hand."""

import pytest
import torch
from torch import nn

from ocrnet.training.optim import WeightAverage, build_optimizer, learning_rate, set_learning_rate
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


def test_the_average_follows_its_closed_form() -> None:
    """Decay of update t is min(d, (1 + t) / (10 + t)): 0.1 and 2/11, from 0 towards 1 and then 2."""
    net = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(net.weight)
    average = WeightAverage(net, decay=0.99)
    nn.init.ones_(net.weight)
    average.update(net)
    nn.init.constant_(net.weight, 2.0)
    average.update(net)
    assert float(average.weights()["weight"]) == pytest.approx(0.9 * 2 / 11 + 2 * 9 / 11)


def test_integer_entries_are_copied() -> None:
    norm = nn.BatchNorm2d(2)
    average = WeightAverage(norm, decay=0.9)
    norm(torch.zeros(1, 2, 3, 3))
    average.update(norm)
    assert int(average.weights()["num_batches_tracked"]) == 1
