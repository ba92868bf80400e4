"""The sections about the training on unlabelled images."""

from typing import Annotated, Literal

from pydantic import Field

from ocrnet.config.base import Number, Section, Share
from ocrnet.config.evaluation import Scale

Deviation = Annotated[float, Field(ge=0, le=1000), Number]


class MeanTeacherParams(Section):
    """The stream of unlabelled images of the arm `mean_teacher`."""

    ratio: Annotated[float, Field(gt=0, le=16), Number]  # unlabelled images per labelled one
    # Weight of the loss of an unlabelled pixel after the ramp-up; a labelled pixel has 1.
    weight: Annotated[float, Field(gt=0, le=1000), Number]
    ramp_up: Share  # share of the steps over which the weight rises
    threshold: Annotated[float, Field(ge=0.5, lt=1), Number]  # confidence of a pseudo-label
    class_share: Share  # share of the pixels of each class that is kept in any case
    color_jitter: Share
    grayscale: Share  # share of the strong views without colour
    blur: Deviation  # largest standard deviation of a Gaussian blur, in pixels
    cutmix: Share  # share of the strong views that get a box of another one

    def per_batch(self, batch_size: int) -> int:
        """Return the number of unlabelled images in a batch, over all processes: an even number, at least 2."""
        return max(2, 2 * round(self.ratio * batch_size / 2))


class PseudoLabelParams(Section):
    """The labels of unlabelled images for the arm `self_training`, fixed before the training."""

    scales: Annotated[tuple[Scale, ...], Field(min_length=1)]  # sizes at which an image is seen
    flip: bool  # whether the mirrored image is seen, too
    ensemble: bool  # whether the baselines of all seeds label together; else that of the own seed
    precision: Share  # share of right pixels among the kept validation pixels of a class
    class_share: Share  # share of the pixels of each class that is kept in any case
    weigh: Literal["precision", "none"]  # weight of a pixel: the probability that it is right, or 1
