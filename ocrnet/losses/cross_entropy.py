"""Cross-entropy over valid pixels."""

from jaxtyping import Float, Int
from torch import Tensor

from ocrnet.losses.base import PixelLoss, ratio_over_ranks


class CrossEntropy(PixelLoss):
    """Mean cross-entropy over valid pixels, each weighted by its class and its image.

    The mean is divided by the weights' sum over valid pixels, as torch and the released code do.
    """

    def cost(
        self,
        logits: Float[Tensor, "B K H W"],
        label_maps: Int[Tensor, "B H W"],
        sample_weights: Float[Tensor, " B"],
    ) -> Float[Tensor, ""]:
        """Return the loss."""
        weights = self.pixel_weights(label_maps, sample_weights)
        losses = self.pixel_losses(logits, label_maps)
        return ratio_over_ranks((weights * losses).sum(), weights.sum())
