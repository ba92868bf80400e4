"""Base classes of the losses: modules that check their labels, then compute a loss."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from ocrnet.distributed.ranks import sum_over_ranks
from ocrnet.losses.labels import check_labels

Weights = Float[Tensor, " B"] | Float[Tensor, "B H W"]  # of images, or of pixels


class Whole(NamedTuple):
    """The labels and weights of a batch whose losses are computed in parts."""

    label_maps: Tensor  # [N, H, W]
    sample_weights: Tensor  # [N] or [N, H, W]
    numbers: Tensor | None = None  # [N, H, W], numbers of objects


class Loss(nn.Module):
    """Base class of the losses in `ocrnet.losses.LOSSES`.

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
        sample_weights: Weights | None = None,
        whole: Whole | None = None,
    ) -> Float[Tensor, ""]:
        """Return the loss of the whole batch, in float32, or what a part adds to it.

        Args:
            logits: Logits at the size of the label maps.
            label_maps: Class ids.
            sample_weights: Weight of each image or of each pixel; None means 1. An image of weight 2 counts like two
                equal images.
            whole: Batch of this rank that the logits are a part of; None if they are the batch. The results of all
                parts add up to the loss of the batch.

        Raises:
            DataError: A label is neither a class nor ignored.
        """
        check_labels(label_maps, num_classes=self.num_classes, ignore_index=self.ignore_index)
        if sample_weights is None:  # a product with 1 changes no bit
            sample_weights = torch.ones(len(label_maps), device=logits.device)
        part = (logits.float(), label_maps.long(), sample_weights.float())
        return self.cost(*part) if whole is None else self.cost_of_part(*part, whole)

    def cost(
        self,
        logits: Float[Tensor, "B K H W"],
        label_maps: Int[Tensor, "B H W"],
        sample_weights: Weights,
    ) -> Float[Tensor, ""]:
        """Return the loss of float32 logits and checked labels.

        Every rank must compute the same sums over ranks in the same order, whatever its labels are.
        """
        raise NotImplementedError

    def cost_of_part(
        self,
        logits: Float[Tensor, "B K H W"],
        label_maps: Int[Tensor, "B H W"],
        sample_weights: Weights,
        whole: Whole,
    ) -> Float[Tensor, ""]:
        """Return what a part adds to the loss of the whole batch: its loss times its share of the weight.

        For a weighted mean over pixels or images, such as `ce`, `focal` and `lovasz`, this is exact. Losses that
        compare the pixels of a batch (`dice`, `ohem`) compare those of a part alone.
        """
        share = ratio_over_ranks(
            self.weight(label_maps, sample_weights),
            self.weight(whole.label_maps, whole.sample_weights),
        )
        return share * self.cost(logits, label_maps, sample_weights)

    def weight(
        self, label_maps: Int[Tensor, "B H W"], sample_weights: Weights
    ) -> Float[Tensor, ""]:
        """Return the weight of images in a mean over several parts: the sum over those with valid pixels."""
        return image_weights(self.valid(label_maps), sample_weights).sum()

    @property
    def aux(self) -> "Loss":
        """The loss of the auxiliary logits."""
        return self

    def valid(self, label_maps: Int[Tensor, "B H W"]) -> Bool[Tensor, "B H W"]:
        """Return the mask of the pixels that are not ignored."""
        return label_maps != self.ignore_index


class PixelLoss(Loss):
    """A mean over pixels of a function of their cross-entropy, weighted by class.

    Args:
        num_classes: Number of classes in the logits.
        ignore_index: Label of pixels that are ignored.
        class_weights: Weight of each class, or None for equal weights.
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
        """Return the unweighted cross-entropy of each pixel; 0 for ignored pixels."""
        return F.cross_entropy(logits, label_maps, ignore_index=self.ignore_index, reduction="none")

    def pixel_weights(
        self, label_maps: Int[Tensor, "B H W"], sample_weights: Weights
    ) -> Float[Tensor, "B H W"]:
        """Return the class weight times the image weight of each pixel; 0 for ignored pixels."""
        valid = self.valid(label_maps)
        images = on_pixels(sample_weights)
        if self.class_weights is None:
            return valid * images
        classes = self.class_weights[torch.where(valid, label_maps, 0)]
        return torch.where(valid, classes, 0.0) * images

    def weight(
        self, label_maps: Int[Tensor, "B H W"], sample_weights: Weights
    ) -> Float[Tensor, ""]:
        """Return the sum of the weights of the pixels."""
        return self.pixel_weights(label_maps, sample_weights).sum()


def on_pixels(weights: Weights) -> Float[Tensor, "B h w"]:
    """Return weights that can be multiplied with a map [B, H, W]; h and w are 1 for weights of images."""
    return weights if weights.ndim == 3 else weights[:, None, None]


def image_weights(valid: Bool[Tensor, "B H W"], sample_weights: Weights) -> Float[Tensor, " B"]:
    """Return one weight per image: the mean weight of its valid pixels, 0 if it has none."""
    if sample_weights.ndim == 3:
        total = weight_of(valid[:, None], sample_weights)[:, 0]
        sample_weights = total / valid.sum((1, 2)).clamp(min=1)
    return sample_weights * valid.any(-1).any(-1)


def weight_of(pixels: Bool[Tensor, "B K H W"], sample_weights: Weights) -> Float[Tensor, "B K"]:
    """Return the weight of the pixels of each mask: their number if the weights are 1."""
    if sample_weights.ndim == 1:
        return pixels.sum((2, 3)) * sample_weights[:, None]
    return (pixels * sample_weights[:, None]).sum((2, 3))


def ratio_over_ranks(total: Float[Tensor, ""], weight: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """Return the total of all ranks divided by the weight of all ranks; 0 if the weight is 0."""
    sums = sum_over_ranks(torch.stack([total, weight]))
    weights = sums[1].detach()
    return sums[0] / torch.where(weights > 0, weights, 1.0)
