"""Cross-entropy over valid pixels."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from ocrnet.losses.labels import check_labels


class CrossEntropy(nn.Module):
    """Mean cross-entropy over valid pixels, each weighted by its class.

    Args:
        num_classes: how many classes the logits have.
        ignore_index: the label that counts for nothing.
        class_weights: one weight per class; the mean is divided by the weights' sum over valid pixels.
    """

    class_weights: Tensor | None

    def __init__(
        self, *, num_classes: int, ignore_index: int, class_weights: Tensor | None = None
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self.register_buffer("class_weights", class_weights)

    def forward(
        self, logits: Float[Tensor, "B K H W"], label_maps: Int[Tensor, "B H W"]
    ) -> Float[Tensor, ""]:
        """Return the loss."""
        check_labels(label_maps, num_classes=self.num_classes, ignore_index=self.ignore_index)
        total = F.cross_entropy(
            logits.float(),
            label_maps,
            weight=self.class_weights,
            ignore_index=self.ignore_index,
            reduction="sum",
        )
        return total / self._weight_sum(label_maps).clamp(min=torch.finfo(torch.float32).tiny)

    def _weight_sum(self, label_maps: Int[Tensor, "B H W"]) -> Float[Tensor, ""]:
        valid = label_maps[label_maps != self.ignore_index]
        if self.class_weights is None:
            return torch.tensor(float(valid.numel()), device=label_maps.device)
        return self.class_weights[valid].sum()
