"""Merging of the scores of several views of an image. A view is a window, a scale, a mirrored image, or a model.

| merge | what is averaged | source |
|---|---|---|
| softmax_mean | the softmax over classes of each view | mmseg, which averages logits over windows |
| logit_mean | logits; softmax at the end | openseg, which sums logits over scales and mirrored images |
| exp_logit_sum | logits over mirrored images, then exp(logits) over the other views | the official HRNet-OCR |

Calibration is measured on the merged probabilities. With `softmax_mean` they are an arithmetic mean, so views that
disagree lower the confidence. With `logit_mean` they are a normalised geometric mean, with higher confidence. With
`exp_logit_sum`, exp(logits) are summed before the normalisation, so the view with the largest logits dominates.
"""

import math
from collections.abc import Iterable

import torch
from jaxtyping import Float, Integer
from torch import Tensor
from torch.nn import functional as F

from ocrnet.models.output import resize_logits


class Merger:
    """Merging by the mean of logits, and the base class of the other modes.

    Sums are in float64, so that the mean of n equal views is exactly the view. In all modes the class with the highest
    score is the predicted class.
    """

    nothing = 0.0  # the total of no views

    def enter(self, logits: Float[Tensor, "B K H W"]) -> Float[Tensor, "B K H W"]:
        """Return the logits of a view as the scores that are merged."""
        return logits

    def add(
        self, total: Float[Tensor, "B K H W"], scores: Float[Tensor, "B K H W"]
    ) -> Float[Tensor, "B K H W"]:
        """Return the total with one more view."""
        return total.double() + scores

    def weigh(
        self, scores: Float[Tensor, "B K H W"], weights: Float[Tensor, "H W"]
    ) -> Float[Tensor, "B K H W"]:
        """Return scores that count `weights` times in a total; all weights are above 0."""
        return scores.double() * weights

    def share(
        self,
        total: Float[Tensor, "B K H W"],
        count: Integer[Tensor, "..."] | Float[Tensor, "..."],
    ) -> Float[Tensor, "B K H W"]:
        """Return the mean of `count` views, or of views with this sum of weights, from their total."""
        return total / count

    def resize(
        self, scores: Float[Tensor, "B K h w"], size: tuple[int, int], *, align_corners: bool
    ) -> Float[Tensor, "B K H W"]:
        """Resize merged scores bilinearly."""
        return resize_logits(scores, size, align_corners=align_corners)

    def finish(self, scores: Float[Tensor, "B K H W"]) -> Float[Tensor, "B K H W"]:
        """Return merged scores as probabilities of the classes."""
        return scores.float().softmax(dim=1)

    def mean(self, views: Iterable[Float[Tensor, "B K H W"]]) -> Float[Tensor, "B K H W"]:
        """Merge scores of one size; a single view stays unchanged."""
        total, count = None, 0
        for scores in views:
            total = scores if total is None else self.add(total, scores)
            count += 1
        assert total is not None, "nothing to merge"
        return total if count == 1 else self.share(total, torch.tensor(count))


class SoftmaxMean(Merger):
    """Merging by the mean of the probabilities."""

    def enter(self, logits: Float[Tensor, "B K H W"]) -> Float[Tensor, "B K H W"]:
        """Return the softmax over classes."""
        return logits.softmax(dim=1)

    def finish(self, scores: Float[Tensor, "B K H W"]) -> Float[Tensor, "B K H W"]:
        """Return the mean, which is already a probability."""
        return scores.float()


class ExpLogitSum(Merger):
    """Merging by the sum of exp(logits), stored as its logarithm, which does not overflow."""

    nothing = -math.inf

    def add(
        self, total: Float[Tensor, "B K H W"], scores: Float[Tensor, "B K H W"]
    ) -> Float[Tensor, "B K H W"]:
        """Return log(exp(total) + exp(scores))."""
        return torch.logaddexp(total.double(), scores.double())

    def weigh(
        self, scores: Float[Tensor, "B K H W"], weights: Float[Tensor, "H W"]
    ) -> Float[Tensor, "B K H W"]:
        """Return log(weights exp(scores))."""
        return scores.double() + weights.log()

    def share(
        self,
        total: Float[Tensor, "B K H W"],
        count: Integer[Tensor, "..."] | Float[Tensor, "..."],
    ) -> Float[Tensor, "B K H W"]:
        """Return log(exp(total) / count)."""
        return total.double() - count.double().log()

    def resize(
        self, scores: Float[Tensor, "B K h w"], size: tuple[int, int], *, align_corners: bool
    ) -> Float[Tensor, "B K H W"]:
        """Resize exp(scores), as the official code does, and return the logarithm."""
        if tuple(scores.shape[-2:]) == tuple(size):
            return scores
        top = scores.amax(dim=(1, 2, 3), keepdim=True).double()
        linear = (scores.double() - top).exp()
        resized = F.interpolate(linear, size=size, mode="bilinear", align_corners=align_corners)
        return resized.clamp_min(torch.finfo(torch.float64).tiny).log() + top

    def finish(self, scores: Float[Tensor, "B K H W"]) -> Float[Tensor, "B K H W"]:
        """Return exp(scores) divided by their sum; in float64, because scores may be large."""
        return scores.double().softmax(dim=1).float()


LOGIT_MEAN = Merger()
MERGERS: dict[str, Merger] = {
    "softmax_mean": SoftmaxMean(),
    "logit_mean": LOGIT_MEAN,
    "exp_logit_sum": ExpLogitSum(),
}
