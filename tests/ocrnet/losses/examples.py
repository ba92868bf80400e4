"""What the tests of losses share."""

import torch
from torch import Tensor

from ocrnet.losses import LOSSES, build_loss
from ocrnet.losses.base import Loss

SUM = "ce + 0.5*dice + 2*ohem_official"
EVERY = [*LOSSES, SUM]
LOGITS = torch.randn(2, 5, 6, 7, generator=torch.Generator().manual_seed(0))
LABELS = torch.randint(0, 5, (2, 6, 7), generator=torch.Generator().manual_seed(1))
WEIGHTS = torch.tensor([1.0, 2.0, 0.5, 1.0, 3.0])


def make(text: str, **options: object) -> Loss:
    return build_loss(text, num_classes=5, ignore_index=255, **options)


def with_gradient(
    loss: Loss, logits: Tensor, labels: Tensor, *sample_weights: float
) -> tuple[Tensor, Tensor]:
    """Return a loss and its gradient by the logits."""
    leaf = logits.clone().requires_grad_()
    value = loss(leaf, labels, torch.tensor(sample_weights) if sample_weights else None)
    value.backward()
    assert leaf.grad is not None
    return value.detach(), leaf.grad


def two_classes(*probabilities: float) -> Tensor:
    """Return logits of one row of pixels that give class 0 these probabilities."""
    chosen = torch.tensor(probabilities)
    return torch.stack([chosen.log(), (1 - chosen).log()]).reshape(1, 2, 1, -1)


def row(*labels: int) -> Tensor:
    """Return a label map of one row."""
    return torch.tensor(labels).reshape(1, 1, -1)
