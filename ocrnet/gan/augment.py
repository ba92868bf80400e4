"""Transforms of image and label map: what moves pixels moves both, what changes colours changes the image alone.

Geometry acts on the training pair, before the generator sees the label map. Colour acts on what the discriminator
sees, real and fake alike and in both steps (arXiv:2006.10738): changed on real images alone, it would be learned as
part of the images.
"""

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

Image = npt.NDArray[np.uint8]
LabelMap = npt.NDArray[np.uint8]


def crop_pair(
    image: Image, label_map: LabelMap, *, size: tuple[int, int], ignore_index: int,
    rng: np.random.Generator, wanted: int | None = None,
) -> tuple[Image, LabelMap]:  # fmt: skip
    """Cut a random window out of a pair.

    Where the pair is smaller it is padded: the image by its edge, the label map by `ignore_index`.

    Args:
        image: the image.
        label_map: its label map.
        size: height and width of the window.
        ignore_index: what padding is labelled.
        rng: draws the window.
        wanted: a class that the window shall show a pixel of, drawn evenly among its pixels.
    """
    height, width = size
    bottom, right = max(0, height - image.shape[0]), max(0, width - image.shape[1])
    if bottom or right:
        image = np.pad(image, ((0, bottom), (0, right), (0, 0)), mode="edge")
        label_map = np.pad(label_map, ((0, bottom), (0, right)), constant_values=ignore_index)
    low, high = (0, 0), (image.shape[0] - height, image.shape[1] - width)
    places = np.argwhere(label_map == wanted) if wanted is not None else np.empty((0, 2), np.int64)
    if len(places):
        y, x = places[rng.integers(len(places))].tolist()
        low = (min(max(0, y - height + 1), high[0]), min(max(0, x - width + 1), high[1]))
        high = (min(y, high[0]), min(x, high[1]))
    top, left = (int(rng.integers(low[i], high[i] + 1)) for i in range(2))
    window = (slice(top, top + height), slice(left, left + width))
    return image[window], label_map[window]


def flip_pair(image: Image, label_map: LabelMap) -> tuple[Image, LabelMap]:
    """Mirror a pair left to right."""
    return image[:, ::-1], label_map[:, ::-1]


def jitter_colors(
    images: Float[Tensor, "B 3 H W"], *, strength: float, generator: torch.Generator
) -> Float[Tensor, "B 3 H W"]:
    """Change brightness, contrast and saturation of each image by up to `strength`; differentiable.

    Args:
        images: in [-1, 1]; the result may leave that range.
        strength: 0 changes nothing; 1 lets contrast and saturation vanish or double and brightness move by 0.5.
        generator: gives three numbers per image.
    """
    if strength == 0:
        return images
    draws = torch.rand(3, len(images), 1, 1, 1, generator=generator).to(images) * 2 - 1
    brightness, contrast, saturation = strength * draws
    images = images + brightness / 2
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    images = mean + (images - mean) * (1 + contrast)
    gray = images.mean(dim=1, keepdim=True)
    jittered: Tensor = gray + (images - gray) * (1 + saturation)
    return jittered
