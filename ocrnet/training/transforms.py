"""Augmentation of an image and its label map together: resize, crop, flip, colour.

Every choice comes from a generator given with the sample, so that the same sample looks the same for any
number of workers and after a restart.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Generator, Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as TF

from ocrnet.config import TrainParams


class TrainTransform:
    """Random scale, crop, flip and colour of one sample.

    Args:
        params: Parameters of the training.
        crop_size: (height, width) of the result; a smaller image is padded.
        ignore_index: Label of the padding of a label map.
    """

    def __init__(
        self, params: TrainParams, *, crop_size: tuple[int, int], ignore_index: int
    ) -> None:
        self._params = params
        self._crop_size = crop_size
        self._ignore_index = ignore_index

    def __call__(
        self,
        image: npt.NDArray[np.uint8],
        label_map: npt.NDArray[np.uint8],
        *,
        generator: Generator,
    ) -> tuple[Tensor, Tensor]:
        """Return a uint8 image [3, h, w] and an int64 label map [h, w]."""
        pixels = tv_tensors.Image(torch.from_numpy(image).permute(2, 0, 1))
        labels = tv_tensors.Mask(torch.from_numpy(label_map)[None])
        pixels, labels = self._resize(pixels, labels, generator)
        pixels, labels = self._crop(pixels, labels, generator)
        if self._params.flip and _uniform(generator) < 0.5:
            pixels, labels = TF.horizontal_flip(pixels), TF.horizontal_flip(labels)
        pixels = self._jitter(pixels, generator)
        return pixels.as_subclass(Tensor), labels.as_subclass(Tensor)[0].long()

    def _resize(
        self, pixels: Tensor, labels: Tensor, generator: Generator
    ) -> tuple[Tensor, Tensor]:
        scale = _uniform(generator, *self._params.scale_range)
        size = [max(1, round(side * scale)) for side in pixels.shape[-2:]]
        resized = TF.resize(pixels, size, antialias=True)
        nearest = TF.InterpolationMode.NEAREST
        return resized, TF.resize(labels, size, interpolation=nearest)

    def _crop(self, pixels: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        height, width = self._crop_size
        below = max(0, height - pixels.shape[-2])
        beside = max(0, width - pixels.shape[-1])
        padding = [0, 0, beside, below]
        pixels = TF.pad(pixels, padding, fill=0)
        labels = TF.pad(labels, padding, fill=self._ignore_index)
        top, left = self._corner(labels, generator)
        pixels = TF.crop(pixels, top, left, height, width)
        return pixels, TF.crop(labels, top, left, height, width)

    def _corner(self, labels: Tensor, generator: Generator) -> tuple[int, int]:
        """Choose the crop: anywhere, or round a pixel of a class drawn evenly from those present."""
        room = [labels.shape[-2] - self._crop_size[0], labels.shape[-1] - self._crop_size[1]]
        corner = [int(_uniform(generator) * (space + 1)) for space in room]
        if _uniform(generator) < self._params.rare_crops:
            classes = torch.unique(labels[labels != self._ignore_index])
            if classes.numel():
                chosen = classes[int(_uniform(generator) * classes.numel())]
                where = torch.nonzero(labels[0] == chosen)
                centre = where[int(_uniform(generator) * len(where))].tolist()
                corner = [
                    min(max(at - side // 2, 0), space)
                    for at, side, space in zip(centre, self._crop_size, room, strict=True)
                ]
        return corner[0], corner[1]

    def _jitter(self, pixels: Tensor, generator: Generator) -> Tensor:
        strength = self._params.color_jitter
        if strength == 0:
            return pixels
        for adjust in (TF.adjust_brightness, TF.adjust_contrast, TF.adjust_saturation):
            pixels = adjust(pixels, _uniform(generator, 1 - strength, 1 + strength))
        return pixels


def _uniform(generator: Generator, low: float = 0.0, high: float = 1.0) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))
