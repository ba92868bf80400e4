"""Focal loss: cross-entropy with low weights for pixels that are already correct (arXiv:1708.02002)."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ocrnet.losses.base import PixelLoss, Weights, ratio_over_ranks


class Focal(PixelLoss):
    """Mean of -(1 - p)^gamma log p over valid pixels; p is the probability of the pixel's class (Eq. 5).

    Difference from the paper: the sum is divided by the sum of the weights of valid pixels, so that gamma 0 is
    exactly `ce`; the paper divides by the number of foreground boxes.

    Args:
        num_classes: Number of classes in the logits.
        ignore_index: Label of pixels that are ignored.
        class_weights: Weight of each class, the paper's alpha, or None for equal weights.
        gamma: Exponent of the weight of easy pixels, 0 or more; a higher one lowers their weight.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        ignore_index: int,
        class_weights: Tensor | None = None,
        gamma: float = 2.0,
    ) -> None:
        super().__init__(
            num_classes=num_classes, ignore_index=ignore_index, class_weights=class_weights
        )
        self.gamma = gamma

    def cost(
        self,
        logits: Float[Tensor, "B K H W"],
        label_maps: Int[Tensor, "B H W"],
        sample_weights: Weights,
    ) -> Float[Tensor, ""]:
        """Return the loss."""
        weights = self.pixel_weights(label_maps, sample_weights)
        losses = self.pixel_losses(logits, label_maps)
        # 1 - p without cancellation; never 0, where the gradient of a power below 1 is infinite.
        missing = -torch.expm1(-losses)
        fade = missing.clamp(min=torch.finfo(missing.dtype).tiny).pow(self.gamma)
        return ratio_over_ranks((weights * (fade * losses)).sum(), weights.sum())
