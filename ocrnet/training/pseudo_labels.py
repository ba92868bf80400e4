"""Pseudo-labels: the pixels of a teacher's prediction that are confident enough, by a threshold per class.

With one threshold for all classes a rare class, of which a teacher is seldom sure, vanishes from the pseudo-labels. As
in class-balanced self-training (CBST, arXiv:1810.07911) each class c has the confidence k_c that a share
`class_share` of the pixels predicted as c reaches, and its threshold is

    t_c = min(threshold, max(k_c, 1/2)).

Differs from the paper: k_c follows the training, by a histogram of the confidences of past batches that decays; a class
of which the teacher is sure keeps all pixels above `threshold` (FixMatch, arXiv:2001.07685), not a share; and no
pixel counts whose class is less likely than all others together.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ocrnet.distributed.ranks import sum_over_ranks

BINS = 200  # of the histogram, over [0, 1]
DECAY = 0.99  # of the histogram per step: it remembers about a hundred batches
LEAST = 0.5  # lowest threshold


class ClassThresholds:
    """A threshold per class, from the confidences of past batches.

    Args:
        num_classes: Number of classes.
        threshold: Highest threshold.
        class_share: Share of the pixels of each class that should count.
        device: Device of the confidences.
    """

    def __init__(
        self, num_classes: int, *, threshold: float, class_share: float, device: torch.device
    ) -> None:
        self._threshold, self._class_share = threshold, class_share
        # Apple's GPUs have no float64.
        place = "cpu" if device.type == "mps" else device
        self._histogram = torch.zeros(num_classes, BINS, dtype=torch.float64, device=place)

    def update(
        self,
        classes: Int[Tensor, "B H W"],
        confidences: Float[Tensor, "B H W"],
        inside: Bool[Tensor, "B H W"],
    ) -> None:
        """Add the predictions of a batch, of all ranks, inside the images."""
        bins = (confidences[inside] * BINS).long().clamp(0, BINS - 1)
        shape = self._histogram.shape
        counts = torch.bincount(classes[inside] * BINS + bins, minlength=shape.numel())
        self._histogram.mul_(DECAY).add_(
            sum_over_ranks(counts.to(self._histogram.device).double()).view(shape)
        )

    def values(self) -> Float[Tensor, " K"]:
        """Return the threshold of each class."""
        # Pixels at or above the lower edge of each bin.
        reached = self._histogram.flip(1).cumsum(1).flip(1)
        enough = reached >= self._class_share * reached[:, :1]
        edges = torch.arange(BINS, dtype=torch.float64, device=reached.device) / BINS
        highest = torch.where(enough, edges, 0.0).amax(1).clamp(LEAST, self._threshold)
        return torch.where(reached[:, 0] > 0, highest, self._threshold)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the state for a checkpoint."""
        return {"histogram": self._histogram}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continue from a state."""
        self._histogram.copy_(state["histogram"])


def pseudo_label_maps(
    classes: Int[Tensor, "B H W"],
    confidences: Float[Tensor, "B H W"],
    thresholds: Float[Tensor, " K"],
    *,
    inside: Bool[Tensor, "B H W"],
    ignore_index: int,
) -> Int[Tensor, "B H W"]:
    """Return the predicted classes with all pixels ignored that are below their threshold or outside the image."""
    counts = inside & (confidences >= thresholds[classes])
    return torch.where(counts, classes, ignore_index)


def swap_boxes(values: Tensor, boxes: Bool[Tensor, "B H W"]) -> Tensor:
    """Return images [B, C, H, W] or maps [B, H, W] whose boxes show the other one of each pair 2k, 2k + 1."""
    other = values.view(-1, 2, *values.shape[1:]).flip(1).view_as(values)
    return torch.where(boxes[:, None] if values.ndim == 4 else boxes, other, values)
