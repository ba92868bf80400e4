"""Focal loss: cross-entropy that fades where the prediction is already right (arXiv:1708.02002)."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ocrnet.losses.base import PixelLoss, ratio_over_ranks


class Focal(PixelLoss):
    """Mean of -(1 - p)^gamma log p over valid pixels, p the probability of the pixel's class (Eq. 5).

    Differs from the paper: the mean is divided by the class weights' sum over valid pixels, so that gamma 0 is
    exactly `ce`; the paper divides by the number of foreground boxes.

    Args:
        num_classes: Number of classes in the logits.
        ignore_index: Label of pixels that are ignored.
        class_weights: Weight of each class, the paper's alpha, or None for equal ones.
        gamma: How fast easy pixels fade, 0 or more.
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
        sample_weights: Float[Tensor, " B"],
    ) -> Float[Tensor, ""]:
        """Return the loss."""
        weights = self.pixel_weights(label_maps, sample_weights)
        losses = self.pixel_losses(logits, label_maps)
        # 1 - p without cancellation; never 0, where the slope of a root would be infinite.
        missing = -torch.expm1(-losses)
        fade = missing.clamp(min=torch.finfo(missing.dtype).tiny).pow(self.gamma)
        return ratio_over_ranks((weights * (fade * losses)).sum(), weights.sum())
