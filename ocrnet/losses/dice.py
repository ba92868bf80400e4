"""Soft Dice loss, the overlap of prediction and truth per class (arXiv:1606.04797)."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ocrnet.distributed.ranks import sum_over_ranks
from ocrnet.losses.base import Loss, Weights, on_pixels, weight_of


class Dice(Loss):
    """One minus the mean over classes of 2 sum(p g) / (sum(p^2) + sum(g)).

    p is the softmax probability of the class; g is 1 where the class is true and 0 elsewhere, so that g^2 = g. Sums are
    over the valid pixels of the whole batch. Classes that the truth of the batch does not show are not in the mean:
    their overlap is always 0. False pixels of such a class still raise the loss, because they lower p of the true
    class.

    Differences from the paper: several classes with a softmax instead of one foreground; no smoothing constant, which
    would make the loss depend on the batch size. In all sums a pixel has the weight of its image.
    """

    def cost(
        self,
        logits: Float[Tensor, "B K H W"],
        label_maps: Int[Tensor, "B H W"],
        sample_weights: Weights,
    ) -> Float[Tensor, ""]:
        """Return the loss."""
        valid = self.valid(label_maps)[:, None]
        probabilities = torch.where(valid, torch.softmax(logits, dim=1), 0.0)
        classes = torch.arange(self.num_classes, device=label_maps.device).view(1, -1, 1, 1)
        # If ignore_index is a class id, ignored pixels are not true pixels of that class.
        truth = valid & (label_maps[:, None] == classes)
        over_pixels = (0, 2, 3)
        images = on_pixels(sample_weights)[:, None]
        overlap, squares, area = sum_over_ranks(
            torch.stack(
                [
                    (torch.where(truth, probabilities, 0.0) * images).sum(over_pixels),
                    (probabilities.square() * images).sum(over_pixels),
                    weight_of(truth, sample_weights).sum(0),
                ]
            )
        )
        present = area > 0
        dice = 2 * overlap / torch.where(present, squares + area, 1.0)
        missed: Tensor = (present * (1 - dice)).sum() / present.sum().clamp(min=1.0)
        return missed
