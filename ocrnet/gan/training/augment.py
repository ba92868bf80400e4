"""Transforms of image and label map: shifts move both, colour changes affect the image alone.

Crops and mirroring act on the training pair, before the generator sees the label map. Shifts, holes and colours act on
the discriminator's input, real and fake alike and in both steps (arXiv:2006.10738): if they changed real images alone,
the generator would learn them as part of the images. The label map ignores pixels that a shift brings in or a hole
removes.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ocrnet.gan.generator.images import Image, LabelMap
from ocrnet.gan.training.rng import BatchDraws

IGNORED = -100  # no class; the target that cross entropy leaves out


def crop_pair(
    image: Image, label_map: LabelMap, *, size: tuple[int, int], ignore_index: int,
    rng: np.random.Generator, wanted: int | None = None,
) -> tuple[Image, LabelMap]:  # fmt: skip
    """Cut a random window out of a pair.

    Where the pair is smaller it is padded: the image by its edge, the label map by `ignore_index`.

    Args:
        image: Image to cut from.
        label_map: Its label map.
        size: Height and width of the window.
        ignore_index: Label of the padding.
        rng: Generator that draws the window.
        wanted: Class of which the window must show a pixel, drawn evenly among its pixels.
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
    images: Float[Tensor, "B 3 H W"], *, strength: float, draws: BatchDraws
) -> Float[Tensor, "B 3 H W"]:
    """Change brightness, contrast and saturation of each image by up to `strength`; differentiable.

    Args:
        images: Images in [-1, 1]; the result may leave that range.
        strength: Strength of the change: 0 changes nothing; 1 lets contrast and saturation vanish or double and
            brightness move by 0.5.
        draws: Source of three numbers per image.
    """
    if strength == 0:
        return images
    factors = strength * (draws.uniform(3).to(images) * 2 - 1)
    brightness, contrast, saturation = factors.view(-1, 3, 1, 1, 1).unbind(dim=1)
    images = images + brightness / 2
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    images = mean + (images - mean) * (1 + contrast)
    gray = images.mean(dim=1, keepdim=True)
    jittered: Tensor = gray + (images - gray) * (1 + saturation)
    return jittered


@dataclass(frozen=True)
class Framing:
    """Where the discriminator looks: for each image a shift and a hole, the same for image and label map.

    Args:
        shifts: Shift of each image down and to the right, in pixels.
        seen: Mask that is False in the hole; None if there are no holes.
    """

    shifts: Int[Tensor, "B 2"]
    seen: Bool[Tensor, "B H W"] | None

    def show(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
        """Return images as they are looked at, mid-gray where there is nothing to see; differentiable."""
        images = _shift(images, self.shifts, fill=0)
        return images if self.seen is None else images * self.seen.unsqueeze(1)

    def label(self, label_maps: Int[Tensor, "B H W"]) -> Int[Tensor, "B H W"]:
        """Return the label maps of what is looked at, ignored where there is nothing to see."""
        label_maps = _shift(label_maps, self.shifts, fill=IGNORED)
        return label_maps if self.seen is None else torch.where(self.seen, label_maps, IGNORED)


def draw_framing(
    label_maps: Int[Tensor, "B H W"], *, translate: float, cutout: float, draws: BatchDraws
) -> Framing:
    """Draw where the discriminator looks.

    Args:
        label_maps: Label maps of the batch, which give its size and device.
        translate: Greatest shift, as a share of the height and of the width.
        cutout: Height and width of the hole as a share of the image's; its centre is anywhere in the image.
        draws: Source of two numbers per image for each of these two that is above 0.
    """
    B, H, W = label_maps.shape
    sides = torch.tensor([H, W])
    shifts = torch.zeros(B, 2, dtype=torch.int64)
    if translate > 0:
        reach = (translate * sides).round()
        shifts = (draws.uniform(2) * (2 * reach + 1)).floor().long() - reach.long()
    seen = None
    if cutout > 0:
        extent = (cutout * sides).round().long()
        first = (draws.uniform(2) * sides).floor().long() - extent // 2
        last = first + extent
        hole_rows, hole_columns = (
            (torch.arange(side) >= first[:, i : i + 1]) & (torch.arange(side) < last[:, i : i + 1])
            for i, side in enumerate((H, W))
        )
        hole = hole_rows.unsqueeze(2) & hole_columns.unsqueeze(1)
        seen = (~hole).to(label_maps.device)
    return Framing(shifts, seen)


def _shift(values: Tensor, shifts: Tensor, *, fill: int) -> Tensor:
    """Shift each item by its rows and columns."""
    H, W = values.shape[-2:]
    down, right = (int(reach) for reach in shifts.abs().amax(dim=0))
    if down == right == 0:
        return values
    padded = F.pad(values, (right, right, down, down), value=fill)
    return torch.stack(
        [
            item[..., down - dy : down - dy + H, right - dx : right - dx + W]
            for item, (dy, dx) in zip(padded, shifts.tolist(), strict=True)
        ]
    )
