"""Cross-entropy over the hardest pixels (online hard example mining)."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from ocrnet.losses.labels import check_labels


class OhemCrossEntropy(nn.Module):
    """Mean cross-entropy over pixels whose true class has a probability below a threshold.

    Args:
        num_classes: how many classes the logits have.
        ignore_index: the label that counts for nothing.
        class_weights: one weight per class, applied after the choice of pixels.
        threshold: a pixel is hard when the probability of its class is at most this.
        min_kept: at least so many pixels are kept, the hardest ones.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        *,
        num_classes: int,
        ignore_index: int,
        class_weights: Tensor | None = None,
        threshold: float = 0.7,
        min_kept: int = 10_000,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self.least_loss = -math.log(max(threshold, 1e-12))
        self.min_kept = min_kept
        self.register_buffer("class_weights", class_weights)

    def forward(
        self, logits: Float[Tensor, "B K H W"], label_maps: Int[Tensor, "B H W"]
    ) -> Float[Tensor, ""]:
        """Return the loss."""
        check_labels(label_maps, num_classes=self.num_classes, ignore_index=self.ignore_index)
        pixel_losses = F.cross_entropy(
            logits.float(), label_maps, ignore_index=self.ignore_index, reduction="none"
        )
        valid = label_maps != self.ignore_index
        losses, labels = pixel_losses[valid], label_maps[valid]
        if losses.numel() == 0:
            return logits.float().sum() * 0.0
        kept = losses.detach() >= self._least(losses.detach())
        if self.class_weights is None:
            return losses[kept].mean()
        weights = self.class_weights[labels[kept]]
        return (losses[kept] * weights).sum() / weights.sum()

    def _least(self, losses: Float[Tensor, " N"]) -> float:
        """Return the least loss that is kept: the threshold's, or that of the min_kept-th hardest pixel."""
        count = min(self.min_kept, losses.numel())
        return min(self.least_loss, float(torch.topk(losses, count).values[-1]))
