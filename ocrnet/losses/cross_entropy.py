"""Cross-entropy over valid pixels."""

from jaxtyping import Float, Int
from torch import Tensor

from ocrnet.losses.base import PixelLoss, Weights, ratio_over_ranks


class CrossEntropy(PixelLoss):
    """Mean cross-entropy over valid pixels, weighted by class and image.

    The sum is divided by the sum of the weights of valid pixels, as in torch and the released code.
    """

    def cost(
        self,
        logits: Float[Tensor, "B K H W"],
        label_maps: Int[Tensor, "B H W"],
        sample_weights: Weights,
    ) -> Float[Tensor, ""]:
        """Return the loss."""
        weights = self.pixel_weights(label_maps, sample_weights)
        losses = self.pixel_losses(logits, label_maps)
        return ratio_over_ranks((weights * losses).sum(), weights.sum())
