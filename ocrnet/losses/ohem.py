"""Cross-entropy over the hardest pixels (online hard example mining)."""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ocrnet.distributed.ranks import gather_over_ranks, is_distributed, sum_over_ranks
from ocrnet.losses.base import PixelLoss, ratio_over_ranks


class OhemCrossEntropy(PixelLoss):
    """Mean cross-entropy over pixels whose true class has a probability below a threshold.

    A pixel is kept when that probability is at most `threshold`, or when it is among the `min_kept` hardest of
    the whole batch; pixels that tie with the last of these are kept too. The choice needs the unweighted
    cross-entropy alone, as p = exp(-loss): no softmax and no full sort.

    Args:
        num_classes: Number of classes in the logits.
        ignore_index: Label of pixels that are ignored.
        class_weights: Weight of each class, applied after the choice of pixels; the mean is divided by the
            weights' sum over kept pixels.
        threshold: Greatest probability of its class with which a pixel is hard.
        min_kept: Least number of pixels of the batch (of all ranks together) that are kept, the hardest ones.
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
        sample_weights: Float[Tensor, " B"],
    ) -> Float[Tensor, ""]:
        """Return the loss."""
        losses = self.pixel_losses(logits, label_maps)
        kept = self.kept(losses.detach(), self.valid(label_maps))
        weights = self.pixel_weights(label_maps, sample_weights) * kept
        return ratio_over_ranks((weights * losses).sum(), weights.sum())

    def kept(
        self, losses: Float[Tensor, "B H W"], valid: Bool[Tensor, "B H W"]
    ) -> Bool[Tensor, "B H W"]:
        """Return the hard pixels."""
        return valid & (losses >= self.least_kept(losses, count=self.min_kept))

    def least_kept(self, losses: Float[Tensor, "B H W"], *, count: int) -> Float[Tensor, ""]:
        """Return the lesser of the threshold's loss and that of the count-th hardest pixel of all ranks.

        Ignored pixels are among them with a loss of 0, the least there is: they take no other pixel's place.
        """
        hard = int(sum_over_ranks((losses > self.least_loss).sum()))
        if hard >= count:  # the count-th hardest is above the threshold: nothing to look for
            return losses.new_tensor(self.least_loss)
        # The hardest of all ranks are among the hardest of each.
        hardest = _largest(losses.flatten(), count)
        if is_distributed():
            hardest = _largest(gather_over_ranks(hardest), count)
        return hardest.min()


def _largest(values: Float[Tensor, " N"], count: int) -> Float[Tensor, " M"]:
    """Return the `count` largest values in no order, or all if there are fewer."""
    if count >= len(values):
        return values
    return torch.topk(values, count, sorted=False).values
