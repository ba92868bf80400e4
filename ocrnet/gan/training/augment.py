"""Augmentation of image and label map: shifts move both, colour changes affect only the image.

Crops and mirroring act on the training pair, before the generator sees the label map. Shifts, holes and colours act on
the discriminator's input, real and fake alike and in both steps (arXiv:2006.10738): if they changed only real images,
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
from ocrnet.gan.training.rng import BatchRng

IGNORED = -100  # no class; the target that cross entropy ignores


def crop_pair(
    image: Image, label_map: LabelMap, *, size: tuple[int, int], ignore_index: int,
    rng: np.random.Generator, wanted: int | None = None,
) -> tuple[Image, LabelMap]:  # fmt: skip
    """Crop a random window from a pair.

    A smaller pair is padded: the image by its edge, the label map by `ignore_index`.

    Args:
        image: Image (H, W, 3) to crop.
        label_map: Label map (H, W) of the image.
        size: Height and width of the window in pixels.
        ignore_index: Label of the padding.
        rng: Random generator of the window.
        wanted: Class that the window must show; the pixel is drawn evenly among the pixels of the class.
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
    images: Float[Tensor, "B 3 H W"], *, strength: float, rng: BatchRng
) -> Float[Tensor, "B 3 H W"]:
    """Change brightness, contrast and saturation of each image by up to `strength`; differentiable.

    Args:
        images: Images in [-1, 1]; the result may be outside that range.
        strength: Strength of the change in [0, 1]: 0 changes nothing; with 1, contrast and saturation change by up to
            their own size and brightness by up to 0.5.
        rng: Source of three numbers per image.
    """
    if strength == 0:
        return images
    factors = strength * (rng.uniform(3).to(images) * 2 - 1)
    brightness, contrast, saturation = factors.view(-1, 3, 1, 1, 1).unbind(dim=1)
    images = images + brightness / 2
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    images = mean + (images - mean) * (1 + contrast)
    gray = images.mean(dim=1, keepdim=True)
    jittered: Tensor = gray + (images - gray) * (1 + saturation)
    return jittered


@dataclass(frozen=True)
class Augmentation:
    """A shift and a hole for each image, the same for the image and its label map.

    Args:
        shifts: Shift of each image down and to the right, in pixels.
        seen: Mask that is False in the hole; None if there are no holes.
    """

    shifts: Int[Tensor, "B 2"]
    seen: Bool[Tensor, "B H W"] | None

    def apply_to_images(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Return shifted images, 0 (mid-gray) in holes and beyond the shifted border; differentiable."""
        images = _shift(images, self.shifts, fill=0)
        return images if self.seen is None else images * self.seen.unsqueeze(1)

    def apply_to_labels(self, label_maps: Int[Tensor, "B H W"]) -> Int[Tensor, "B H W"]:
        """Return shifted label maps, ignored in holes and beyond the shifted border."""
        label_maps = _shift(label_maps, self.shifts, fill=IGNORED)
        return label_maps if self.seen is None else torch.where(self.seen, label_maps, IGNORED)

    def apply_to_weights(self, weights: Float[Tensor, "B H W"]) -> Float[Tensor, "B H W"]:
        """Return shifted weights of pixels; in holes, and beyond the border, the label map is ignored."""
        shifted: Tensor = _shift(weights, self.shifts, fill=0)
        return shifted


def draw_augmentation(
    label_maps: Int[Tensor, "B H W"], *, translate: float, cutout: float, rng: BatchRng
) -> Augmentation:
    """Draw a shift and a hole for each image.

    Args:
        label_maps: Label maps of the batch, which define size and device.
        translate: Largest shift, as a share of height and width.
        cutout: Height and width of the hole, as shares of the image's; its centre is anywhere in the image.
        rng: Source of two numbers per image each for `translate` and `cutout` above 0.
    """
    B, H, W = label_maps.shape
    sides = torch.tensor([H, W])
    shifts = torch.zeros(B, 2, dtype=torch.int64)
    if translate > 0:
        reach = (translate * sides).round()
        shifts = (rng.uniform(2) * (2 * reach + 1)).floor().long() - reach.long()
    seen = None
    if cutout > 0:
        extent = (cutout * sides).round().long()
        first = (rng.uniform(2) * sides).floor().long() - extent // 2
        last = first + extent
        hole_rows, hole_columns = (
            (torch.arange(side) >= first[:, i : i + 1]) & (torch.arange(side) < last[:, i : i + 1])
            for i, side in enumerate((H, W))
        )
        hole = hole_rows.unsqueeze(2) & hole_columns.unsqueeze(1)
        seen = (~hole).to(label_maps.device)
    return Augmentation(shifts, seen)


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
