"""Hard example mining as the released HRNet-OCR code averages it, for comparison with its figures.

Differs from `ohem`, and from that code, as follows:

| | released code and here | `ohem` |
|---|---|---|
| kept | p below the threshold, or below the p of the pixel after the `min_kept` hardest (both strictly) | at most |
| fewer valid pixels than `min_kept` | all but the easiest | all |
| class weights | the plain mean of weighted losses over kept pixels | divided by the weights' sum |
| auxiliary logits | cross-entropy of all pixels, over ALL pixels, ignored ones included | hard pixels |
| nothing kept | 0 here (NaN or an error there) | 0 |
| several processes | `min_kept` is of the whole batch here, of each process there | of the whole batch |
"""

from jaxtyping import Bool, Float, Int
from torch import Tensor

from ocrnet.distributed.ranks import sum_over_ranks
from ocrnet.losses.base import Loss, PixelLoss, ratio_over_ranks
from ocrnet.losses.ohem import OhemCrossEntropy


class AllPixelsCrossEntropy(PixelLoss):
    """Weighted cross-entropy summed over valid pixels and divided by the number of all pixels."""

    def cost(
        self,
        logits: Float[Tensor, "B K H W"],
        label_maps: Int[Tensor, "B H W"],
        sample_weights: Float[Tensor, " B"],
    ) -> Float[Tensor, ""]:
        """Return the loss."""
        weights = self.pixel_weights(label_maps, sample_weights)
        total = (weights * self.pixel_losses(logits, label_maps)).sum()
        return ratio_over_ranks(total, sample_weights.sum() * label_maps[0].numel())


class OfficialOhem(OhemCrossEntropy):
    """Plain mean of the weighted cross-entropy over hard pixels, chosen strictly.

    Args:
        num_classes: Number of classes in the logits.
        ignore_index: Label of pixels that are ignored.
        class_weights: Weight of each class, applied after the choice of pixels.
        threshold: Probability of its class below which a pixel is hard.
        min_kept: Least number of pixels of the batch that are kept if there are more.
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
        """The auxiliary logits are not mined."""
        return self.all_pixels

    def cost(
        self,
        logits: Float[Tensor, "B K H W"],
        label_maps: Int[Tensor, "B H W"],
        sample_weights: Float[Tensor, " B"],
    ) -> Float[Tensor, ""]:
        """Return the loss."""
        losses = self.pixel_losses(logits, label_maps)
        kept = self.kept(losses.detach(), self.valid(label_maps)).float()
        total = (self.pixel_weights(label_maps, sample_weights) * kept * losses).sum()
        return ratio_over_ranks(total, (kept * sample_weights[:, None, None]).sum())

    def kept(
        self, losses: Float[Tensor, "B H W"], valid: Bool[Tensor, "B H W"]
    ) -> Bool[Tensor, "B H W"]:
        """Return the hard pixels."""
        # The pixel after the min_kept hardest sets the bar; with too few, the easiest of all does.
        pixels = int(sum_over_ranks(valid.sum()))
        count = max(1, min(self.min_kept + 1, pixels))
        return valid & (losses > self.least_kept(losses, count=count))
