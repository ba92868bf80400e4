"""Repainting of a real image after its label map was edited.

The generator synthesizes an image of the whole edited label map, so that it sees the surroundings of the edit. The
colours of each class are then matched to the real image, measured on the pixels that were not edited. Only the
edited region of the result is used, with a soft rim. Every pixel beyond the rim stays bit-identical.
"""

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage

from ocrnet.errors import DataError
from ocrnet.protocols import PainterLike

GROW = 2  # pixels around the edit that are also replaced: edges in a real image are soft
FEATHER = 3  # width in pixels of the rim where the generated image fades into the real one
LEAST_PIXELS = 32  # smallest number of kept pixels of a class that its colours are measured on
GAIN = (0.25, 1.0)  # range of the contrast gain of a class; above 1 it would amplify artefacts
COLOUR_GAIN = (0.0, 1.0)  # range of the gain of its colour variation
LIGHT = (0.25, 4.0)  # range of the brightness gain of a class that is new to the image
LEAST_DEVIATION = 1.0  # grey levels
WINDOWS = (
    0.16,
    0.05,
)  # standard deviations of the Gaussian windows, as shares of the image's diagonal
FAR = 0.02  # weight of the wider mean; it counts where a window has few kept pixels

Pixels = npt.NDArray[np.float64]


def repaint(
    image: UInt8[np.ndarray, "H W 3"],
    original: UInt8[np.ndarray, "H W"],
    edited: UInt8[np.ndarray, "H W"],
    *,
    painter: PainterLike,
    ignore_index: int,
    seed: int,
) -> UInt8[np.ndarray, "H W 3"]:
    """Return the image with the edited region repainted and all other pixels kept.

    Args:
        image: Real image to edit.
        original: Label map of the image.
        edited: Edited label map; ignored pixels stay as they are.
        painter: Painter with the trained generator.
        ignore_index: Id of ignored pixels.
        seed: Random seed of the generated image.

    Raises:
        DataError: Nothing was edited.
    """
    weight = paint_weight(edited_region(original, edited, ignore_index=ignore_index))
    # Where the edited label map is ignored, the generator gets the original class.
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
    """Return the mask of the pixels whose class was changed.

    Raises:
        DataError: Nothing was edited.
    """
    changed = np.asarray((original != edited) & (edited != ignore_index))
    if not changed.any():
        raise DataError(
            "nothing was edited: the edited label map is equal to the label map of the image. Change some pixels of it."
        )
    return changed


def paint_weight(changed: Bool[np.ndarray, "H W"]) -> Float[np.ndarray, "H W"]:
    """Return the weight of the generated image at each pixel: 1 in the edit and close to it, 0 beyond the rim."""
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
    """Match the colours of each class of a generated image to its real pixels.

    A class with kept pixels gets the local mean and the deviation of these pixels: light is uneven. A class without
    kept pixels that was in the image before the edit gets its former mean and deviation. A class that is new to the
    image gets the brightness gain of all kept pixels.
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

    One gain per channel would colour the grain, and give coloured fringes where the generated light has another tint
    than the real image.
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
    """Return the mean of the seen pixels around each pixel: of a wide window, corrected by a narrow one.

    Where a window has hardly any seen pixel, the wider window is used, and finally the mean of all.
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
