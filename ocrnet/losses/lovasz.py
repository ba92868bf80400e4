"""Lovasz-softmax, a convex surrogate of 1 - IoU (arXiv:1705.08790).

| paper | here | shape |
|---|---|---|
| m(c), errors of class c | `errors` | [C, N], for the C classes in the truth |
| J_c, Jaccard loss of a set of wrong pixels | - | |
| g(m), its discrete derivative in the order of errors | `_jaccard_slopes` | [C, N] |

Differences from the paper: the loss is computed per image and averaged over the images with valid pixels, so that it
does not depend on the division into batches; the mean is over the classes in the truth of the image.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ocrnet.losses.base import Loss, Weights, image_weights, ratio_over_ranks


class Lovasz(Loss):
    """Mean over images of the mean over their classes of the Lovasz extension of the Jaccard loss."""

    def cost(
        self,
        logits: Float[Tensor, "B K H W"],
        label_maps: Int[Tensor, "B H W"],
        sample_weights: Weights,
    ) -> Float[Tensor, ""]:
        """Return the loss."""
        valid = self.valid(label_maps)
        images = [
            lovasz_softmax(torch.softmax(scores[:, counts], dim=0), labels[counts])
            for scores, labels, counts in zip(logits, label_maps, valid, strict=True)
        ]
        weights = image_weights(valid, sample_weights)
        return ratio_over_ranks((weights * torch.stack(images)).sum(), weights.sum())


def lovasz_softmax(
    probabilities: Float[Tensor, "K N"], labels: Int[Tensor, " N"]
) -> Float[Tensor, ""]:
    """Return the loss of the pixels of one image, 0 if there are none (Eq. 11 to 13)."""
    present = torch.unique(labels)
    truth = labels[None] == present[:, None]
    chosen = probabilities[present]
    errors = torch.where(truth, 1 - chosen, chosen)
    descending, order = torch.sort(errors, dim=1, descending=True)
    per_class = (descending * _jaccard_slopes(truth.gather(1, order))).sum(dim=1)
    return per_class.sum() / max(1, len(present))


def _jaccard_slopes(truth: Bool[Tensor, "C N"]) -> Float[Tensor, "C N"]:
    """Return the increase of the Jaccard loss with each further wrong pixel.

    With intersection I and union U after the pixel, a pixel of the class adds 1 / U and any other pixel
    I / (U (U - 1)). These closed forms are exact in float32, unlike differences of ratios.
    """
    missed = torch.cumsum(truth, dim=1, dtype=torch.int32)
    rank = torch.arange(1, truth.shape[1] + 1, device=truth.device, dtype=torch.int32)
    area = truth.sum(dim=1, keepdim=True)
    intersection = (area - missed).float()
    union = (area + rank - missed).float()
    return torch.where(truth, 1 / union, intersection / (union * (union - 1).clamp(min=1.0)))
