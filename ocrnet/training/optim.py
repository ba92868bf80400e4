"""Optimizer and learning-rate schedule."""

from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from ocrnet.config import TrainParams
from ocrnet.models.layers import PREFIX, Layers, flat_name_of_level


def build_optimizer(
    model: nn.Module, params: TrainParams, layers: Layers | None = None
) -> Optimizer:
    """Build the optimizer of all weights that are trained.

    The backbone has a rate of its own. Norms, biases and positions do not decay. In a transformer, the rate of a layer
    is `train.layer_decay` times that of the layer after it, as in BEiT (arXiv:2106.08254).

    Each group has `rate`, the share of the scheduled learning rate that it gets.

    Args:
        model: Segmenter.
        params: Section `train` of the params.
        layers: Layers of a pretrained backbone; None if its weights are random.
    """
    groups: dict[tuple[bool, bool, float], list[nn.Parameter]] = {}
    for name, weight in model.named_parameters():
        if not weight.requires_grad:
            continue
        own = name.startswith(PREFIX)
        inside = flat_name_of_level(name.removeprefix(PREFIX)) if own else ""
        decays = weight.ndim > 1 and not (layers and inside in layers.no_decay)
        is_backbone = name.startswith("backbone.")
        rate = params.backbone_lr_mult if is_backbone else 1.0
        if layers and layers.is_transformer and inside in layers.depth:
            deepest = max(layers.depth.values())
            rate *= params.layer_decay ** (deepest - layers.depth[inside])
        groups.setdefault((not is_backbone, not decays, rate), []).append(weight)
    found = [
        {
            "params": groups[key],
            "rate": key[2],
            "weight_decay": 0.0 if key[1] else params.weight_decay,
        }
        for key in sorted(groups)
    ]
    if params.optimizer == "sgd":
        return SGD(found, lr=params.lr, momentum=params.momentum)
    return AdamW(found, lr=params.lr)


def learning_rate(step: int, params: TrainParams) -> float:
    """Return the rate of a step, counted from 0: lr * (1 - step/steps)^power, reached by a linear warm-up."""
    warmup = min(1.0, (step + 1) / params.warmup_steps) if params.warmup_steps else 1.0
    return float(params.lr * warmup * (1 - step / params.steps) ** params.power)


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Set the learning rate of each group to its share of the rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["rate"]
