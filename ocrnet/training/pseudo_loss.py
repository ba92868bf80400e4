"""The loss of a student on pseudo-labels: cross-entropy of both heads, over all pixels of the unlabelled images."""

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from ocrnet.distributed.ranks import sum_over_ranks
from ocrnet.models.output import SegmenterOutput, resize_logits


class PseudoLoss(nn.Module):
    """Sum of the cross-entropy over pseudo-labelled pixels, divided by the number of all pixels.

    As in the code of UniMatch (arXiv:2208.09910): a batch whose teacher is unsure counts less, and all classes count
    alike. With the class weights of the labelled loss, a wrong pixel of a rare class would count many times: the
    student then predicts that class, and so does its teacher (docs/unlabelled.md).

    Args:
        aux_weight: Weight of the loss of the auxiliary logits.
        ignore_index: Label of pixels that do not count.
    """

    def __init__(self, *, aux_weight: float, ignore_index: int) -> None:
        super().__init__()
        self.aux_weight = aux_weight
        self.ignore_index = ignore_index

    def forward(
        self,
        output: SegmenterOutput,
        label_maps: Int[Tensor, "B H W"],
        *,
        align_corners: bool,
        pixels: Float[Tensor, ""],
    ) -> Float[Tensor, ""]:
        """Return what a part of a batch adds to the loss of the whole batch of all ranks.

        Args:
            output: Main logits and, if the model has them, auxiliary logits.
            label_maps: Pseudo-labels.
            align_corners: Whether resizing of the logits aligns corners.
            pixels: Number of pixels inside the images of the whole batch of all ranks.
        """
        size = (label_maps.shape[-2], label_maps.shape[-1])
        total = self._sum(
            resize_logits(output.logits, size, align_corners=align_corners), label_maps
        )
        if output.aux_logits is not None and self.aux_weight > 0:
            aux = resize_logits(output.aux_logits, size, align_corners=align_corners)
            total = total + self.aux_weight * self._sum(aux, label_maps)
        return sum_over_ranks(total) / pixels.clamp(min=1)

    def _sum(
        self, logits: Float[Tensor, "B K H W"], label_maps: Int[Tensor, "B H W"]
    ) -> Float[Tensor, ""]:
        return F.cross_entropy(logits, label_maps, ignore_index=self.ignore_index, reduction="sum")
