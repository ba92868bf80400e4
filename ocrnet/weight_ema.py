"""The moving average of a model's weights, which is scored and saved instead of the weights in training."""

import copy
from typing import Generic, TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


class WeightAverage(Generic[M]):
    """Exponential moving average of a model's weights.

    The decay of step t, counted from 0, is min(decay, (1 + t) / (10 + t)), so that early weights lose their influence.

    Args:
        model: Model whose weights are averaged.
        decay: Decay of late steps.
        average_buffers: Whether to also average float buffers, such as norm statistics. Other buffers are copied.

    Attributes:
        model: Copy of the model with the averaged weights.
    """

    def __init__(self, model: M, decay: float, *, average_buffers: bool) -> None:
        self.model: M = copy.deepcopy(model).requires_grad_(requires_grad=False).eval()
        self._decay = decay
        self._average_buffers = average_buffers

    @torch.no_grad()
    def update(self, model: M, step: int) -> None:
        """Move the average towards the weights after a step."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for average, weight in zip(self.model.parameters(), model.parameters(), strict=True):
            average.lerp_(weight, 1 - decay)
        for kept, buffer in zip(self.model.buffers(), model.buffers(), strict=True):
            if self._average_buffers and buffer.is_floating_point():
                kept.lerp_(buffer, 1 - decay)
            else:
                kept.copy_(buffer)
