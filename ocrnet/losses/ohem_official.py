"""Hard example mining with the average of the released HRNet-OCR code, for comparison with its results.

Differences from `ohem` and from that code:

| | released code and here | `ohem` |
|---|---|---|
| kept | p below the threshold, or below the p of the pixel after the `min_kept` hardest (both strictly) | at most |
| fewer valid pixels than `min_kept` | all but the easiest | all |
| class weights | the plain mean of weighted losses over kept pixels | divided by the sum of the weights |
| auxiliary logits | cross-entropy of all pixels, divided by the number of ALL pixels, including ignored | hard pixels |
| no pixel kept | 0 here (NaN or an error there) | 0 |
| several processes | `min_kept` is for the whole batch here, for each process there | for the whole batch |
"""

from jaxtyping import Bool, Float, Int
from torch import Tensor

from ocrnet.distributed.ranks import sum_over_ranks
from ocrnet.losses.base import Loss, PixelLoss, Weights, on_pixels, ratio_over_ranks
from ocrnet.losses.ohem import OhemCrossEntropy


class AllPixelsCrossEntropy(PixelLoss):
    """Weighted cross-entropy summed over valid pixels and divided by the number of all pixels."""

    def cost(
        self,
        logits: Float[Tensor, "B K H W"],
        label_maps: Int[Tensor, "B H W"],
        sample_weights: Weights,
    ) -> Float[Tensor, ""]:
        """Return the loss."""
        weights = self.pixel_weights(label_maps, sample_weights)
        total = (weights * self.pixel_losses(logits, label_maps)).sum()
        return ratio_over_ranks(total, self.weight(label_maps, sample_weights))

    def weight(
        self, label_maps: Int[Tensor, "B H W"], sample_weights: Weights
    ) -> Float[Tensor, ""]:
        """Return the weight of all pixels, whatever their class."""
        return sample_weights.sum() * (label_maps.numel() / sample_weights.numel())


class OfficialOhem(OhemCrossEntropy):
    """Plain mean of the weighted cross-entropy over hard pixels, chosen by strict inequalities.

    Args:
        num_classes: Number of classes in the logits.
        ignore_index: Label of pixels that are ignored.
        class_weights: Weight of each class, applied after the choice of pixels.
        threshold: Probability of its class below which a pixel is hard.
        min_kept: Smallest number of kept pixels in the batch if there are more.
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
            num_classes=num_classes, ignore_index=ignore_index, class_weights=class_weights,
            threshold=threshold, min_kept=min_kept,
        )  # fmt: skip
        self.all_pixels = AllPixelsCrossEntropy(
            num_classes=num_classes, ignore_index=ignore_index, class_weights=class_weights
        )

    @property
    def aux(self) -> Loss:
        """The loss of the auxiliary logits, which uses all pixels."""
        return self.all_pixels

    def cost(
        self,
        logits: Float[Tensor, "B K H W"],
        label_maps: Int[Tensor, "B H W"],
        sample_weights: Weights,
    ) -> Float[Tensor, ""]:
        """Return the loss."""
        losses = self.pixel_losses(logits, label_maps)
        kept = self.kept(losses.detach(), self.valid(label_maps)).float()
        total = (self.pixel_weights(label_maps, sample_weights) * kept * losses).sum()
        return ratio_over_ranks(total, (kept * on_pixels(sample_weights)).sum())

    def weight(
        self, label_maps: Int[Tensor, "B H W"], sample_weights: Weights
    ) -> Float[Tensor, ""]:
        """Return the weight of the valid pixels, whatever their class."""
        return (self.valid(label_maps) * on_pixels(sample_weights)).sum()

    def kept(
        self, losses: Float[Tensor, "B H W"], valid: Bool[Tensor, "B H W"]
    ) -> Bool[Tensor, "B H W"]:
        """Return the mask of the hard pixels."""
        # The pixel after the min_kept hardest defines the limit; with too few pixels, the easiest pixel does.
        pixels = int(sum_over_ranks(valid.sum()))
        count = max(1, min(self.min_kept + 1, pixels))
        return valid & (losses > self.least_kept(losses, count=count))
