"""Optimizer, learning-rate schedule and the average of weights."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from ocrnet.config import TrainParams


def build_optimizer(model: nn.Module, params: TrainParams) -> Optimizer:
    """Build the optimizer of what is trained: the backbone at its own rate, no decay on norms and biases.

    Each group carries `rate`, the share of the scheduled learning rate that it gets.
    """
    groups = []
    for is_backbone in (True, False):
        for decays in (True, False):
            chosen = [
                weight
                for name, weight in model.named_parameters()
                if weight.requires_grad
                and name.startswith("backbone.") == is_backbone
                and (weight.ndim > 1) == decays
            ]
            groups.append({
                "params": chosen,
                "rate": params.backbone_lr_mult if is_backbone else 1.0,
                "weight_decay": params.weight_decay if decays else 0.0,
            })  # fmt: skip
    groups = [group for group in groups if group["params"]]
    if params.optimizer == "sgd":
        return SGD(groups, lr=params.lr, momentum=params.momentum)
    return AdamW(groups, lr=params.lr)


def learning_rate(step: int, params: TrainParams) -> float:
    """Return the rate of a step, counted from 0: lr * (1 - step/steps)^power, reached by a linear warm-up."""
    warmup = min(1.0, (step + 1) / params.warmup_steps) if params.warmup_steps else 1.0
    return float(params.lr * warmup * (1 - step / params.steps) ** params.power)


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Give each group its share of the rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["rate"]


class WeightAverage:
    """Exponential moving average of a model's weights and norm statistics.

    The decay of update t is min(decay, (1 + t) / (10 + t)), so that early weights do not linger.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        self._updates = 0
        self._values = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the model; integer entries are copied."""
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
        self._updates += 1
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                self._values[name].lerp_(value, 1 - decay)
            else:
                self._values[name].copy_(value)

    def weights(self) -> Mapping[str, Tensor]:
        """Return the averaged entries, by name."""
        return self._values

    def state(self) -> dict[str, object]:
        """Return what `restore` needs."""
        return {"updates": self._updates, "values": dict(self._values)}

    def restore(self, updates: int, values: Mapping[str, Tensor]) -> None:
        """Continue from a state."""
        self._updates = updates
        for name, value in values.items():
            self._values[name].copy_(value)
