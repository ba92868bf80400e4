"""Augmentation of an image together with its label map: scale, crop, rotation, bending, flips, colour, blur, noise.

The order is that of a camera: first what moves, then light, lens and sensor. A change that is off draws no random
number. All random numbers come from the generator of the sample, so that a sample is the same for any number of
workers and after a restart.
"""

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Generator, Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as TF

from ocrnet.config import TrainParams
from ocrnet.runtime import uniform
from ocrnet.training.warp import cut_along, elastic_shifts, window_positions

LABELS = 256  # a value may be a label plus 256 times the number of an object


class TrainTransform:
    """Random changes of one sample, as the params of the training set them.

    Args:
        params: Params of the training.
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
        pixels, labels = self._change(image, torch.from_numpy(label_map), generator)
        return pixels, labels.long()

    def with_numbers(
        self,
        image: npt.NDArray[np.uint8],
        label_map: npt.NDArray[np.uint8],
        numbers: npt.NDArray[np.uint16],
        *,
        generator: Generator,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return what a call returns, with the instance map [h, w], int64, of the same pixels."""
        # Label and number of a pixel move as one value, below 2^24: exact in float32, by which they are resized.
        both = torch.from_numpy(numbers.astype(np.int32) * LABELS + label_map)
        pixels, moved = self._change(image, both, generator)
        return pixels, (moved % LABELS).long(), (moved // LABELS).long()

    def _change(
        self, image: npt.NDArray[np.uint8], values: Tensor, generator: Generator
    ) -> tuple[Tensor, Tensor]:
        """Return image [3, h, w] and values [h, w]: labels, or labels with the numbers of objects."""
        pixels = tv_tensors.Image(torch.from_numpy(image).permute(2, 0, 1))
        labels = tv_tensors.Mask(values[None])
        pixels, labels = self._resize(pixels, labels, generator)
        pixels, labels = self._crop(pixels, labels, generator)
        if self._params.flip and uniform(generator) < 0.5:
            pixels, labels = TF.horizontal_flip(pixels), TF.horizontal_flip(labels)
        if self._params.vertical_flip and uniform(generator) < self._params.vertical_flip:
            pixels, labels = TF.vertical_flip(pixels), TF.vertical_flip(labels)
        for change in (self._jitter, self._gamma, self._blur, self._noise):
            pixels = change(pixels, generator)
        return pixels.as_subclass(Tensor), labels.as_subclass(Tensor)[0]

    def _resize(
        self, pixels: Tensor, labels: Tensor, generator: Generator
    ) -> tuple[Tensor, Tensor]:
        scale = uniform(generator, *self._params.scale_range)
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
        if self._params.rotation or self._params.elastic:
            return self._warp(pixels, labels, (top, left), generator)
        pixels = TF.crop(pixels, top, left, height, width)
        return pixels, TF.crop(labels, top, left, height, width)

    def _warp(
        self, pixels: Tensor, labels: Tensor, corner: tuple[int, int], generator: Generator
    ) -> tuple[Tensor, Tensor]:
        """Return the window at a corner, rotated and bent."""
        most, deviation = self._params.rotation, self._params.elastic
        degrees = uniform(generator, -most, most) if most else 0.0
        size = self._crop_size
        shifts = (
            elastic_shifts(size, deviation=deviation, generator=generator) if deviation else None
        )
        return cut_along(
            pixels.as_subclass(Tensor),
            labels.as_subclass(Tensor),
            window_positions(corner, size, degrees=degrees, shifts=shifts),
            ignore_index=self._ignore_index,
        )

    def _corner(self, labels: Tensor, generator: Generator) -> tuple[int, int]:
        """Draw the corner of the crop: anywhere, or around a pixel of a class drawn evenly from those in the image."""
        room = [labels.shape[-2] - self._crop_size[0], labels.shape[-1] - self._crop_size[1]]
        corner = [int(uniform(generator) * (space + 1)) for space in room]
        if uniform(generator) < self._params.rare_crops:
            labels = labels if labels.dtype == torch.uint8 else labels % LABELS
            classes = torch.unique(labels[labels != self._ignore_index])
            if classes.numel():
                chosen = classes[int(uniform(generator) * classes.numel())]
                where = torch.nonzero(labels[0] == chosen)
                centre = where[int(uniform(generator) * len(where))].tolist()
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
            pixels = adjust(pixels, uniform(generator, 1 - strength, 1 + strength))
        return pixels

    def _gamma(self, pixels: Tensor, generator: Generator) -> Tensor:
        """Raise the values to a power between 1 / (1 + gamma) and 1 + gamma; both directions are equally likely."""
        strength = self._params.gamma
        if strength == 0:
            return pixels
        reach = math.log1p(strength)
        changed: Tensor = TF.adjust_gamma(pixels, math.exp(uniform(generator, -reach, reach)))
        return changed

    def _blur(self, pixels: Tensor, generator: Generator) -> Tensor:
        if self._params.blur == 0:
            return pixels
        deviation = uniform(generator, 0.0, self._params.blur)
        # Three deviations hold all but 0.3 % of the kernel; its reflection needs more pixels than its radius.
        radius = min(math.ceil(3 * deviation), min(self._crop_size) - 1)
        if radius == 0:
            return pixels
        blurred: Tensor = TF.gaussian_blur(pixels, [2 * radius + 1] * 2, [deviation] * 2)
        return blurred

    def _noise(self, pixels: Tensor, generator: Generator) -> Tensor:
        if self._params.noise == 0:
            return pixels
        deviation = 255 * uniform(generator, 0.0, self._params.noise)
        # Not torchvision's gaussian_noise, which draws from the global generator.
        drawn = deviation * torch.randn(pixels.shape, generator=generator)
        return (pixels.float() + drawn).round().clamp(0, 255).to(torch.uint8)
