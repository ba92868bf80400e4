"""A weighted sum of losses."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ocrnet.losses.base import Loss, Weights, Whole


class WeightedSum(Loss):
    """The weighted sum of losses; the labels are checked once.

    Args:
        terms: Weights and losses, all with the same classes.
    """

    def __init__(self, terms: Sequence[tuple[float, Loss]]) -> None:
        first = terms[0][1]
        super().__init__(num_classes=first.num_classes, ignore_index=first.ignore_index)
        self.weights = [weight for weight, _ in terms]
        self.losses = nn.ModuleList(loss for _, loss in terms)

    @property
    def terms(self) -> list[tuple[float, Loss]]:
        """The weights and losses."""
        return [(w, loss) for w, loss in zip(self.weights, self.losses, strict=True)]  # type: ignore[misc]

    @property
    def aux(self) -> Loss:
        """The weighted sum of the losses of the auxiliary logits."""
        return WeightedSum([(weight, loss.aux) for weight, loss in self.terms])

    def cost(
        self,
        logits: Float[Tensor, "B K H W"],
        label_maps: Int[Tensor, "B H W"],
        sample_weights: Weights,
    ) -> Float[Tensor, ""]:
        """Return the loss."""
        return torch.stack(
            [w * loss.cost(logits, label_maps, sample_weights) for w, loss in self.terms]
        ).sum()

    def cost_of_part(
        self,
        logits: Float[Tensor, "B K H W"],
        label_maps: Int[Tensor, "B H W"],
        sample_weights: Weights,
        whole: Whole,
    ) -> Float[Tensor, ""]:
        """Return what a part adds to the loss of the whole batch."""
        part = (logits, label_maps, sample_weights, whole)
        return torch.stack([w * loss.cost_of_part(*part) for w, loss in self.terms]).sum()
