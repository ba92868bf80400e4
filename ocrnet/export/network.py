"""The network of an exported file: with its pre- and post-processing, or without."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from ocrnet.export.card import ExportCard
from ocrnet.models import NO_HEADS
from ocrnet.models.output import SegmentationModel, full_size_logits, full_size_parts, normalise
from ocrnet.models.shares import ATTENTION


class RawNetwork(nn.Module):
    """From normalised images (N, 3, H, W) to logits of their size; padding and resizing are inside.

    Args:
        model: Trained model in eval mode.
        card: Whether there are maps of instance heads.
    """

    def __init__(self, model: SegmentationModel, card: ExportCard) -> None:
        super().__init__()
        self.model = model
        self._instances = card.instances

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> Tensor | tuple[Tensor, ...]:
        """Return the logits of images, and the maps of the instance heads if they are wanted."""
        logits, maps = _parts(self.model, images, self._instances)
        return (logits, *maps) if maps else logits


class WholeNetwork(nn.Module):
    """From RGB pixels to label maps, and to probabilities and maps of instance heads if they are wanted.

    Args:
        model: Trained model in eval mode.
        card: Layout of the pixels, their normalisation, and what is given beside label maps.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: SegmentationModel, card: ExportCard) -> None:
        super().__init__()
        self.model = model
        self._channels_last = card.layout == "nhwc"
        self._probabilities = card.probabilities
        self._instances = card.instances
        self.register_buffer("mean", torch.tensor(card.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(card.std).view(1, 3, 1, 1))

    def forward(self, images: UInt8[Tensor, "..."]) -> tuple[Tensor, ...]:
        """Return label maps (N, H, W) of uint8, probabilities (N, K, H, W) in [0, 1], and maps of instance heads."""
        pixels = images.permute(0, 3, 1, 2) if self._channels_last else images
        normalised = normalise(pixels, mean=self.mean, std=self.std)
        logits, maps = _parts(self.model, normalised, self._instances)
        probabilities = (logits.softmax(dim=1),) if self._probabilities else ()
        return (logits.argmax(dim=1).to(torch.uint8), *probabilities, *maps)


def _parts(
    model: SegmentationModel, images: Float[Tensor, "N 3 H W"], instances: str
) -> tuple[Float[Tensor, "N K H W"], tuple[Tensor, ...]]:
    """Return the logits of images, and the maps of the instance heads if there are any."""
    if instances == NO_HEADS:
        return full_size_logits(model, images), ()
    logits, maps = full_size_parts(model, images, resized=instances != ATTENTION)
    return logits, (maps,)


def network_of(model: SegmentationModel, card: ExportCard) -> nn.Module:
    """Return the network that a card describes."""
    return (RawNetwork(model, card) if card.is_raw else WholeNetwork(model, card)).eval()


def example_input(card: ExportCard, size: tuple[int, int], *, count: int = 2) -> Tensor:
    """Return an input of the type and the layout of a card, of random values.

    Args:
        card: Card of the export.
        size: Height and width, in pixels.
        count: Number of images.
    """
    generator = torch.Generator().manual_seed(0)
    if card.is_raw:
        return torch.randn(count, 3, *size, generator=generator)
    shape = (count, *size, 3) if card.layout == "nhwc" else (count, 3, *size)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def file_input(card: ExportCard, image: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    """Return the input of a file for an image: its pixels in the layout of the file, or normalised.

    Args:
        card: Card of the file.
        image: RGB pixels (H, W, 3).
    """
    if card.is_raw:
        mean, std = (np.array(values, dtype=np.float32) for values in (card.mean, card.std))
        values = (image.astype(np.float32) / np.float32(255) - mean) / std
        return np.ascontiguousarray(values.transpose(2, 0, 1)[None])
    if card.layout == "nhwc":
        return np.ascontiguousarray(image[None])
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None])


def axes_of(card: ExportCard) -> dict[str, int]:
    """Return the places of batch, height and width among the axes of the input."""
    first = 1 if card.layout == "nhwc" and not card.is_raw else 2
    return {"batch": 0, "height": first, "width": first + 1}


def dynamic_axes(card: ExportCard, *, least: int) -> dict[int, Any]:
    """Return the axes of the input whose lengths stay free: the batch, and height and width without a fixed size.

    Args:
        card: Card of the export.
        least: Least height and width, in pixels.
    """
    places = axes_of(card)
    free: dict[int, Any] = {places["batch"]: torch.export.Dim.DYNAMIC}
    if card.size is None:
        side = torch.export.Dim.DYNAMIC(min=least) if least > 1 else torch.export.Dim.DYNAMIC
        free |= {places["height"]: side, places["width"]: side}
    return free
