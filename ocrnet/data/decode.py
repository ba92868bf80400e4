"""Image files to arrays and back; the only place that decodes.

Label maps are read by Pillow alone and never converted: `convert("L")` and OpenCV turn palette ids
into grey levels and clip 16-bit ids. Images of 8 bits come from Pillow too. Pillow quietly cuts
16-bit colour to 8 bits, so such files, known by their header, go through OpenCV. Arrays are RGB,
(H, W, 3).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from ocrnet.data.headers import (
    DEEP_GRAY_MODES,
    EIGHT_BIT_MODES,
    Header,
    header_of,
    opened,
)
from ocrnet.errors import DataError

Exif = Literal["error", "apply", "ignore"]
Array = npt.NDArray[Any]

_WHITE = (255, 255, 255)


def read_pixels(path: Path) -> tuple[Header, Array]:
    """Read an image as stored: at its own depth, not rotated, (H, W) if gray and (H, W, 3) else.

    Raises:
        DataError: it cannot be read whole, or its colours are not RGB or gray.
    """
    with opened(path) as image:
        header = header_of(path, image)
        if header.depth > 8 and not header.is_gray:
            return header, _read_deep_colour(path)
        if header.mode not in EIGHT_BIT_MODES | DEEP_GRAY_MODES:
            raise DataError(f"E121 {path}: mode {header.mode}. Export it again as RGB or gray.")
        if header.mode in EIGHT_BIT_MODES:
            return header, np.array(image.convert("L" if header.is_gray else "RGB"))
        pixels = np.array(image)
    if not np.isfinite(pixels).all():
        raise DataError(f"E121 {path} has pixels that are not finite. Export it again.")
    return header, pixels


def read_image(
    path: Path, *, value_range: Sequence[int | float] | None = None, exif: Exif = "error"
) -> npt.NDArray[np.uint8]:
    """Read an image as RGB.

    Args:
        path: the file.
        value_range: [low, high] of images deeper than 8 bits; low becomes 0, high 255, and values
            outside are clipped.
        exif: what to do with a rotation flag.

    Raises:
        DataError: it cannot be read whole, is deeper than 8 bits without a range, or is rotated
            while `exif` is error.
    """
    header, pixels = read_pixels(path)
    orientation = header.orientation
    if orientation != 1 and exif == "error":
        raise DataError(
            f"E108 {path} has EXIF orientation {orientation}. "
            "Set data.exif to apply (rotate as the flag says) or ignore."
        )
    if pixels.dtype != np.uint8:
        if value_range is None:
            low, high = pixels.min(), pixels.max()
            raise DataError(
                f"E109 {path} is {pixels.dtype}, range {low}-{high}; "
                f"set data.value_range: [{low}, {high}]."
            )
        pixels = scale_to_uint8(pixels, value_range)
    rotated = rotate(pixels, orientation) if exif == "apply" else pixels
    colour = rotated if rotated.ndim == 3 else np.repeat(rotated[..., None], 3, axis=2)
    return np.ascontiguousarray(colour)


def read_raw_label_map(path: Path) -> Array:
    """Read a label map as its author stored it: ids (H, W), or colours (H, W, 3).

    Raises:
        DataError: it cannot be read whole, or holds neither ids nor opaque RGB colours.
    """
    return decode_label_map(path)[1]


def decode_label_map(path: Path) -> tuple[Header, Array]:
    """Read a raw label map as `read_raw_label_map` does, with what the file says about itself."""
    with opened(path) as image:
        header = header_of(path, image)
        if header.depth > 8 and not header.is_gray:
            raise DataError(
                f"E121 {path}: a label map in 16-bit colour. Export ids, or 8-bit colours."
            )
        if header.mode not in {"1", "L", "P", "RGB", "RGBA"} | DEEP_GRAY_MODES:
            raise DataError(
                f"E121 {path}: a label map in mode {header.mode}. Export ids, or RGB colours."
            )
        raw = np.array(image)
    if header.mode == "RGBA":
        if raw[..., 3].min() < 255:
            raise DataError(
                f"E121 {path}: a label map with transparent pixels. Export it without alpha."
            )
        raw = raw[..., :3]
    return header, _whole(path, raw)


def read_label_map(path: Path) -> npt.NDArray[np.uint8]:
    """Read a canonical label map: the ids of the palette PNG that `write_label_map` wrote.

    Raises:
        DataError: it cannot be read whole or holds no 8-bit ids.
    """
    raw = read_raw_label_map(path)
    if raw.ndim != 2 or raw.dtype != np.uint8:
        raise DataError(f"{path}: no canonical label map. Use the files that prepare wrote.")
    return raw


def resize_image(image: npt.NDArray[np.uint8], size: Sequence[int]) -> npt.NDArray[np.uint8]:
    """Change an RGB image to (height, width), bilinear, averaging where it shrinks."""
    height, width = size
    return np.array(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


def write_image(path: Path, image: npt.NDArray[np.uint8]) -> None:
    """Write an RGB image as PNG."""
    # Level 1 takes a quarter of the time of the default level and a tenth more room (CamVid).
    Image.fromarray(image).save(path, format="PNG", compress_level=1)


def write_label_map(
    path: Path,
    label_map: npt.NDArray[np.uint8],
    *,
    palette: Sequence[Sequence[int]],
    ignore_index: int,
) -> None:
    """Write ids as a palette PNG: any viewer shows class colours, and ignored pixels white."""
    colours = np.zeros((256, 3), dtype=np.uint8)
    colours[: len(palette)] = palette
    colours[ignore_index] = _WHITE
    image = Image.fromarray(label_map)
    image.putpalette(colours.reshape(-1).tolist())
    image.save(path, format="PNG")


def scale_to_uint8(pixels: Array, value_range: Sequence[int | float]) -> npt.NDArray[np.uint8]:
    """Map `value_range` to 0..255, rounding, and clip what lies outside."""
    low, high = value_range
    scaled = (pixels.astype(np.float64) - low) * (255.0 / (high - low))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def rotate(pixels: Array, orientation: int) -> Array:
    """Turn pixels upright as their EXIF orientation says."""
    if orientation in {5, 6, 7, 8}:
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    return pixels


def _whole(path: Path, raw: Array) -> Array:
    if raw.dtype == np.bool_:
        return raw.astype(np.uint8)
    if not np.issubdtype(raw.dtype, np.floating):
        return raw
    if not (np.isfinite(raw).all() and np.array_equal(np.rint(raw), raw)):
        raise DataError(f"E121 {path}: a label map of fractions. Export whole ids.")
    return raw.astype(np.int64)


def _read_deep_colour(path: Path) -> Array:
    import cv2  # half a second, and few sets need it

    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise DataError(f"E121 {path} cannot be read (16-bit colour). Export it again.")
    if pixels.ndim == 2:
        return np.asarray(pixels)
    return np.ascontiguousarray(np.asarray(pixels)[..., 2::-1])
