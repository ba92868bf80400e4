"""Two views of an unlabelled image: a weak one for the teacher, a strong one for the student.

The method is that of UniMatch (arXiv:2208.09910; its code: unimatch.py and dataset/transform.py). Both views show the
same crop, so that each pixel of one is that of the other. The weak view is scaled, cropped, rotated, bent and flipped
as the labelled images of the recipe are. The strong one has other light, less colour and less detail.

Differs from UniMatch: no change of hue, since many sets tell classes by their colour; every strong view has other
light, not four of five; one strong view, not two.
"""

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Generator, Tensor
from torchvision.transforms.v2 import functional as TF

from ocrnet.config import MeanTeacherParams, TrainParams
from ocrnet.runtime import uniform
from ocrnet.training.transforms import TrainTransform

BLURRED = 0.5  # share of strong views that are blurred, as in UniMatch
PADDING = 1  # label of the pixels beside the image; those of the image have 0


class ViewPair:
    """The two views of an image.

    Args:
        params: Params of the strong view.
        recipe: Params of the training, which change the place of pixels.
        crop_size: (height, width) of the views; a smaller image is padded.
    """

    def __init__(
        self, params: MeanTeacherParams, recipe: TrainParams, *, crop_size: tuple[int, int]
    ) -> None:
        self._params = params
        off = dict.fromkeys(("color_jitter", "gamma", "blur", "noise", "rare_crops"), 0.0)
        moves = recipe.model_copy(update=off)
        self._move = TrainTransform(moves, crop_size=crop_size, ignore_index=PADDING)

    def __call__(
        self, image: npt.NDArray[np.uint8], *, generator: Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the weak and the strong view, uint8 [3, h, w], and which pixels are of the image, bool [h, w]."""
        inside = np.zeros(image.shape[:2], np.uint8)
        weak, labels = self._move(image, inside, generator=generator)
        return weak, self._strong(weak, generator), labels != PADDING

    def _strong(self, pixels: Tensor, generator: Generator) -> Tensor:
        strength = self._params.color_jitter
        if strength:
            for adjust in (TF.adjust_brightness, TF.adjust_contrast, TF.adjust_saturation):
                pixels = adjust(pixels, uniform(generator, 1 - strength, 1 + strength))
        if uniform(generator) < self._params.grayscale:
            pixels = TF.rgb_to_grayscale(pixels, num_output_channels=3)
        if self._params.blur and uniform(generator) < BLURRED:
            deviation = uniform(generator, 0.1, max(0.1, self._params.blur))
            radius = min(math.ceil(3 * deviation), min(pixels.shape[-2:]) - 1)
            pixels = TF.gaussian_blur(pixels, [2 * radius + 1] * 2, [deviation] * 2)
        return torch.as_tensor(pixels)
