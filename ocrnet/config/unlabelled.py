"""The section about the training on unlabelled images."""

from typing import Annotated

from pydantic import Field

from ocrnet.config.base import Number, Section, Share

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
