"""Base classes of the losses: modules that check their labels, then compute a loss."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from ocrnet.distributed.ranks import sum_over_ranks
from ocrnet.losses.labels import check_labels


class Loss(nn.Module):
    """Base of the losses in `ocrnet.losses.LOSSES`.

    Args:
        num_classes: Number of classes in the logits.
        ignore_index: Label of pixels that are ignored.
    """

    def __init__(self, *, num_classes: int, ignore_index: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.ignore_index = ignore_index

    def forward(
        self,
        logits: Float[Tensor, "B K H W"],
        label_maps: Int[Tensor, "B H W"],
        sample_weights: Float[Tensor, " B"] | None = None,
    ) -> Float[Tensor, ""]:
        """Return the loss of the whole batch, in float32.

        Args:
            logits: Logits at the size of the label maps.
            label_maps: Class ids.
            sample_weights: Weight of each image; None gives each 1. An image of weight 2 counts as two equal ones.

        Raises:
            DataError: A label is neither a class nor ignored.
        """
        check_labels(label_maps, num_classes=self.num_classes, ignore_index=self.ignore_index)
        if sample_weights is None:  # a product with 1 leaves every number as it is, to the bit
            sample_weights = torch.ones(len(label_maps), device=logits.device)
        return self.cost(logits.float(), label_maps.long(), sample_weights.float())

    def cost(
        self,
        logits: Float[Tensor, "B K H W"],
        label_maps: Int[Tensor, "B H W"],
        sample_weights: Float[Tensor, " B"],
    ) -> Float[Tensor, ""]:
        """Return the loss of float32 logits and labels that were checked.

        Every rank must make the same sums over ranks in the same order, whatever its labels are.
        """
        raise NotImplementedError

    @property
    def aux(self) -> "Loss":
        """The loss of the auxiliary logits."""
        return self

    def valid(self, label_maps: Int[Tensor, "B H W"]) -> Bool[Tensor, "B H W"]:
        """Return which pixels count."""
        return label_maps != self.ignore_index


class PixelLoss(Loss):
    """A mean over pixels of a function of their cross-entropy, each pixel weighted by its class.

    Args:
        num_classes: Number of classes in the logits.
        ignore_index: Label of pixels that are ignored.
        class_weights: Weight of each class, or None for equal ones.
    """

    class_weights: Tensor | None

    def __init__(
        self, *, num_classes: int, ignore_index: int, class_weights: Tensor | None = None
    ) -> None:
        super().__init__(num_classes=num_classes, ignore_index=ignore_index)
        self.register_buffer("class_weights", class_weights)

    def pixel_losses(
        self, logits: Float[Tensor, "B K H W"], label_maps: Int[Tensor, "B H W"]
    ) -> Float[Tensor, "B H W"]:
        """Return the unweighted cross-entropy of each pixel, 0 where it is ignored."""
        return F.cross_entropy(logits, label_maps, ignore_index=self.ignore_index, reduction="none")

    def pixel_weights(
        self, label_maps: Int[Tensor, "B H W"], sample_weights: Float[Tensor, " B"]
    ) -> Float[Tensor, "B H W"]:
        """Return the weight of each pixel's class times that of its image, 0 where it is ignored."""
        valid = self.valid(label_maps)
        images = sample_weights[:, None, None]
        if self.class_weights is None:
            return valid * images
        classes = self.class_weights[torch.where(valid, label_maps, 0)]
        return torch.where(valid, classes, 0.0) * images


def ratio_over_ranks(total: Float[Tensor, ""], weight: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """Return the total of all ranks over the weight of all ranks; 0 if the weight is 0."""
    sums = sum_over_ranks(torch.stack([total, weight]))
    weights = sums[1].detach()
    return sums[0] / torch.where(weights > 0, weights, 1.0)
