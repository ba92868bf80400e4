"""Repainting a real image after its label map was edited.

The generator paints the edited label map as a whole, so that it sees the surroundings of the edit. Its colours
are then matched to those of the photograph, class by class, measured on the pixels that were not edited. Only the
edited region of the result is used, with a soft rim. Every pixel beyond the rim stays as it was, to the bit.
"""

from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage

from ocrnet.errors import DataError

GROW = 2  # pixels around the edit that are painted too: a photograph's edges are soft
FEATHER = 3  # pixels of the rim over which painting turns into photograph
LEAST_PIXELS = 32  # of a class outside the edit, from which its colours are read
GAIN = (
    0.25,
    1.0,
)  # of the contrast of a class; never more, that would be of what is wrong with the painting
COLOUR_GAIN = (0.0, 1.0)  # of how much its colour varies
LIGHT = (0.25, 4.0)  # of a class that is new to the image
LEAST_DEVIATION = 1.0  # of 255
WINDOWS = (
    0.16,
    0.05,
)  # deviations of the windows of local means, as shares of the image's diagonal
FAR = 0.02  # share of a window that has to be seen for its mean to count

Pixels = npt.NDArray[np.float64]


@runtime_checkable
class LabelMapPainter(Protocol):
    """A painter of label maps."""

    def paint(
        self,
        label_map: npt.NDArray[np.uint8],
        *,
        seed: int,
        before: npt.NDArray[np.uint8] | None = None,
    ) -> npt.NDArray[np.uint8]:
        """Return an image (H, W, 3) of a label map (H, W), with the styles of the one before it was edited."""


def repaint(
    image: UInt8[np.ndarray, "H W 3"],
    original: UInt8[np.ndarray, "H W"],
    edited: UInt8[np.ndarray, "H W"],
    *,
    painter: LabelMapPainter,
    ignore_index: int,
    seed: int,
) -> UInt8[np.ndarray, "H W 3"]:
    """Return the image with the edited region repainted and all else kept.

    Args:
        image: Photograph to edit.
        original: Its label map.
        edited: Label map of the result; pixels that it ignores are kept as they are.
        painter: Painter with the trained generator.
        ignore_index: Id of ignored pixels.
        seed: Random seed of the painting.

    Raises:
        DataError: Nothing was edited.
    """
    weight = paint_weight(edited_region(original, edited, ignore_index=ignore_index))
    # Where the edit left no class, the generator gets the original class.
    wanted = np.where(edited == ignore_index, original, edited)
    painted = painter.paint(wanted, seed=seed, before=original).astype(np.float64)
    kept = (weight == 0.0) & (wanted != ignore_index)
    matched = match_colours(
        painted, image.astype(np.float64), original=original, wanted=wanted, kept=kept
    )
    mixed = weight[..., None] * matched + (1.0 - weight[..., None]) * image
    result = np.rint(np.clip(mixed, 0.0, 255.0)).astype(np.uint8)
    return np.where(weight[..., None] > 0.0, result, image)


def edited_region(
    original: UInt8[np.ndarray, "H W"], edited: UInt8[np.ndarray, "H W"], *, ignore_index: int
) -> Bool[np.ndarray, "H W"]:
    """Return where the class was changed.

    Raises:
        DataError: Nothing was edited.
    """
    changed = np.asarray((original != edited) & (edited != ignore_index))
    if not changed.any():
        raise DataError(
            "nothing was edited: the label map shows the classes that the image's own shows. Change some pixels of it."
        )
    return changed


def paint_weight(changed: Bool[np.ndarray, "H W"]) -> Float[np.ndarray, "H W"]:
    """Return how much of the painting each pixel takes: 1 in the edit and close by, 0 beyond its rim."""
    away = ndimage.distance_transform_edt(~changed)
    ramp = np.clip((GROW + FEATHER - away) / FEATHER, 0.0, 1.0)
    return np.asarray(ramp * ramp * (3.0 - 2.0 * ramp), dtype=np.float64)


def match_colours(
    painted: Float[np.ndarray, "H W 3"],
    image: Float[np.ndarray, "H W 3"],
    *,
    original: UInt8[np.ndarray, "H W"],
    wanted: UInt8[np.ndarray, "H W"],
    kept: Bool[np.ndarray, "H W"],
) -> Float[np.ndarray, "H W 3"]:
    """Give each class of a painting the colours of its real pixels.

    A class that is kept somewhere gets the mean and the deviation of what is kept, both measured on the same
    pixels, near ones first: light is uneven. One that is kept nowhere, but was in the image before the edit, gets
    the mean that it had. One that is new to the image is lit as the painting is where it can be compared.
    """
    matched = painted.copy()
    lit = np.clip(_mean(image, kept) / np.maximum(_mean(painted, kept), 1.0), *LIGHT)
    for class_id in np.unique(wanted).tolist():
        own, before = wanted == class_id, original == class_id
        if np.count_nonzero(own & kept) >= LEAST_PIXELS:
            fake, real = _local_mean(painted, own & kept), _local_mean(image, own & kept)
            varied = _scale(painted - fake, own & kept, like=(image - real)[own & kept])
            matched[own] = (real + varied)[own]
        elif np.count_nonzero(before) >= LEAST_PIXELS:
            fake, real = _mean(painted, own), _mean(image, before)
            matched[own] = (real + _scale(painted - fake, own, like=(image - real)[before]))[own]
        else:
            matched[own] = painted[own] * lit
    return matched


def _scale(varied: Pixels, seen: npt.NDArray[np.bool_], *, like: Pixels) -> Pixels:
    """Scale the deviations from a mean to the size of others: grey by one gain, colour by another.

    One gain per channel would colour the grain, and give coloured fringes to a painting whose light has another tint
    than the photograph's.
    """
    scaled = np.zeros_like(varied)
    parts = zip(_grey_and_colour(varied), _grey_and_colour(like), (GAIN, COLOUR_GAIN), strict=True)
    for own, real, limits in parts:
        deviation = max(float(own[seen].std()), LEAST_DEVIATION)
        scaled += own * float(np.clip(real.std() / deviation, *limits))
    return scaled


def _grey_and_colour(varied: Pixels) -> tuple[Pixels, Pixels]:
    grey = np.repeat(varied.mean(axis=-1, keepdims=True), 3, axis=-1)
    return grey, varied - grey


def _local_mean(pixels: Pixels, seen: npt.NDArray[np.bool_]) -> Pixels:
    """Return the mean of the seen pixels around each pixel: of wide windows, corrected by narrow ones.

    Where a window holds hardly any of them, the wider one is used, and finally the mean of all.
    """
    mean = np.broadcast_to(_mean(pixels, seen), pixels.shape)
    for share in WINDOWS:
        deviation = share * float(np.hypot(*seen.shape))
        weight = ndimage.gaussian_filter(seen.astype(np.float64), deviation) + FAR
        missed = np.where(seen[..., None], pixels - mean, 0.0)
        mean = (
            mean + ndimage.gaussian_filter(missed, (deviation, deviation, 0.0)) / weight[..., None]
        )
    return np.asarray(mean)


def _mean(pixels: Pixels, where: npt.NDArray[np.bool_]) -> Pixels:
    return np.asarray(pixels[where].mean(axis=0) if where.any() else np.full(3, 127.5))
