"""Cross-entropy over the hardest pixels (online hard example mining)."""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ocrnet.distributed.ranks import gather_over_ranks, is_distributed, sum_over_ranks
from ocrnet.losses.base import PixelLoss, Weights, ratio_over_ranks


class OhemCrossEntropy(PixelLoss):
    """Mean cross-entropy over pixels whose true class has a probability below a threshold.

    A pixel is kept if that probability is at most `threshold`, or if it is among the `min_kept` hardest pixels of
    the whole batch; ties with the last of these are also kept. The choice needs only the unweighted
    cross-entropy, since p = exp(-loss): no softmax and no full sort.

    Args:
        num_classes: Number of classes in the logits.
        ignore_index: Label of pixels that are ignored.
        class_weights: Weight of each class, applied after the choice of pixels; the sum is divided by the sum of the
            weights of kept pixels.
        threshold: Largest probability of its class with which a pixel is hard.
        min_kept: Smallest number of kept pixels in the batch of all ranks.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        ignore_index: int,
        class_weights: Tensor | None = None,
        threshold: float = 0.7,
        min_kept: int = 10_000,
    ) -> None:
        super().__init__(
            num_classes=num_classes, ignore_index=ignore_index, class_weights=class_weights
        )
        self.least_loss = -math.log(threshold) if threshold > 0 else math.inf
        self.min_kept = max(1, min_kept)

    def cost(
        self,
        logits: Float[Tensor, "B K H W"],
        label_maps: Int[Tensor, "B H W"],
        sample_weights: Weights,
    ) -> Float[Tensor, ""]:
        """Return the loss."""
        losses = self.pixel_losses(logits, label_maps)
        kept = self.kept(losses.detach(), self.valid(label_maps))
        weights = self.pixel_weights(label_maps, sample_weights) * kept
        return ratio_over_ranks((weights * losses).sum(), weights.sum())

    def kept(
        self, losses: Float[Tensor, "B H W"], valid: Bool[Tensor, "B H W"]
    ) -> Bool[Tensor, "B H W"]:
        """Return the mask of the hard pixels."""
        return valid & (losses >= self.least_kept(losses, count=self.min_kept))

    def least_kept(self, losses: Float[Tensor, "B H W"], *, count: int) -> Float[Tensor, ""]:
        """Return the smaller of the threshold's loss and the loss of the count-th hardest pixel of all ranks.

        Ignored pixels are included with a loss of 0, the minimum, so they do not displace other pixels.
        """
        hard = int(sum_over_ranks((losses > self.least_loss).sum()))
        if hard >= count:  # the count-th hardest pixel is above the threshold
            return losses.new_tensor(self.least_loss)
        # The hardest pixels of all ranks are among the hardest pixels of each rank.
        hardest = _largest(losses.flatten(), count)
        if is_distributed():
            hardest = _largest(gather_over_ranks(hardest), count)
        return hardest.min()


def _largest(values: Float[Tensor, " N"], count: int) -> Float[Tensor, " M"]:
    """Return the `count` largest values unsorted, or all values if there are fewer."""
    if count >= len(values):
        return values
    return torch.topk(values, count, sorted=False).values
