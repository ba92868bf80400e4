"""Decoding and writing of image files; the only module that decodes.

Pixels are returned as the file stores them: changes by a decoder (rotation, inversion, stretching) are undone by
the file's header (`storage.py`). Pillow reads everything but colours of 16 bits, which OpenCV reads. Images become
RGB, (H, W, 3). Label maps are never converted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from ocrnet.config.base import PILLOW_PIXELS
from ocrnet.data.deep_colour import read_deep_colour
from ocrnet.data.headers import Header, header_of, opened
from ocrnet.data.storage import PICTURES
from ocrnet.data.stored_labels import checked_label_map
from ocrnet.data.stored_pixels import (
    Array,
    Exif,
    as_stored,
    check_rotation,
    gray_key,
    rotate,
    stored_values,
)
from ocrnet.errors import DataError

__all__ = [
    "Alpha", "Exif", "ExtraBands", "Picture", "read_image", "read_label_map", "read_picture", "read_pixels",
    "read_raw_label_map", "resize_image", "rotate", "scale_to_uint8", "write_image", "write_label_map",
]  # fmt: skip

Alpha = Literal["error", "ignore", "black", "white"]
ExtraBands = Literal["error", "drop"]

_WHITE = (255, 255, 255)
_SCALED_AT_ONCE = 1 << 20  # values


@dataclass(frozen=True)
class Picture:
    """An image as its file stores it, not rotated.

    Args:
        header: Header of the file.
        pixels: Pixels, (H, W) for gray and (H, W, 3) for colours, at the file's depth.
        opacity: Opacity (H, W), from 0 (transparent) to 255 (opaque); None if the file has no alpha.
    """

    header: Header
    pixels: Array
    opacity: npt.NDArray[np.uint8] | None = None

    @property
    def transparent_pixels(self) -> int:
        """The number of pixels that are not opaque."""
        return 0 if self.opacity is None else int((self.opacity < 255).sum())


def read_pixels(path: Path, *, max_pixels: int = PILLOW_PIXELS) -> tuple[Header, Array]:
    """Read header and pixels of an image like `read_picture`."""
    picture = read_picture(path, max_pixels=max_pixels)
    return picture.header, picture.pixels


def read_picture(path: Path, *, max_pixels: int = PILLOW_PIXELS) -> Picture:
    """Read an image as stored: at the file's depth and not rotated.

    Raises:
        DataError: The file cannot be read whole, its colours are not RGB or gray, or it has more than `max_pixels`.
    """
    with opened(path, max_pixels=max_pixels) as image:
        header = header_of(path, image)
        storage = header.storage
        known = storage.kind in PICTURES[header.format] and image.mode not in {"YCbCr", "CMYK"}
        if not known or storage.misread:
            what = storage.misread or f"mode {header.mode}, {storage.kind}"
            raise DataError(f"E121 {path}: {what}. Export it again as RGB or gray.")
        layered = storage.alpha != "none"
        if storage.bits == 16 and (not header.is_gray or storage.alpha == "channel"):
            pixels, alpha = read_deep_colour(path, storage)
            opacity = None if alpha is None else (alpha // 257).astype(np.uint8)
            return Picture(header, pixels, opacity if layered else None)
        if not header.is_gray:
            full = as_stored(np.array(image.convert("RGBA" if layered else "RGB")), header)
            return Picture(header, full[..., :3], full[..., 3] if layered else None)
        return _gray_picture(path, image, header)


def read_image(
    path: Path,
    *,
    value_range: Sequence[int | float] | None = None,
    exif: Exif = "error",
    alpha: Alpha = "error",
    extra_bands: ExtraBands = "error",
    max_pixels: int = PILLOW_PIXELS,
) -> npt.NDArray[np.uint8]:
    """Read an image as RGB.

    Args:
        path: Path of the file.
        value_range: [low, high] of images deeper than 8 bits; low becomes 0, high becomes 255, and values
            outside are clipped.
        exif: Treatment of a rotation flag.
        alpha: Treatment of transparent pixels: use their hidden colours (ignore), or a black or white background.
        extra_bands: Treatment of bands that are neither colours nor alpha.
        max_pixels: Largest number of pixels; a larger image is refused before it is decoded.

    Raises:
        DataError: The file cannot be read whole, is too large, or is deeper than 8 bits without a range; or it has a
            rotation flag, transparent pixels or extra bands, and the treatment is error.
    """
    picture = read_picture(path, max_pixels=max_pixels)
    header, pixels = picture.header, picture.pixels
    check_rotation(path, header, exif)
    if header.storage.extra and extra_bands == "error":
        raise DataError(
            f"E110 {path} has {header.storage.bands} bands. Export the bands to use as RGB or gray, or set "
            "data.extra_bands to drop (only the first bands are used); a bundle keeps the setting of its training."
        )
    if picture.transparent_pixels and alpha == "error":
        raise DataError(
            f"E111 {path} has {picture.transparent_pixels} transparent pixels. Export it without transparency, or set "
            "data.alpha to black or white (their background), or to ignore (to use their hidden colours); a bundle "
            "keeps the setting of its training."
        )
    if pixels.dtype != np.uint8:
        if value_range is None:
            low, high = pixels.min(), pixels.max()
            raise DataError(
                f"E109 {path} is {pixels.dtype}, range {low}-{high}. Export it with 8 bits, or set data.value_range: "
                f"[{low}, {high}]; a bundle keeps the setting of its training."
            )
        pixels = scale_to_uint8(pixels, value_range)
    if picture.opacity is not None and alpha in {"black", "white"}:
        pixels = _put_on(pixels, picture.opacity, ground=255 if alpha == "white" else 0)
    turned = rotate(pixels, header.orientation) if exif == "apply" else pixels
    colour = turned if turned.ndim == 3 else np.repeat(turned[..., None], 3, axis=2)
    return np.ascontiguousarray(colour)


def read_raw_label_map(
    path: Path, *, exif: Exif = "error", max_pixels: int = PILLOW_PIXELS
) -> Array:
    """Read the stored values of a label map: ids or palette indexes (H, W), or colours (H, W, 3).

    Raises:
        DataError: The file cannot be read whole, is too large, has a rotation flag while `exif` is error, is compressed
            with loss, or contains neither ids nor opaque RGB colours.
    """
    return checked_label_map(path, exif=exif, max_pixels=max_pixels).values


def read_label_map(path: Path) -> npt.NDArray[np.uint8]:
    """Read a canonical label map: the ids of the palette PNG that `write_label_map` wrote.

    Raises:
        DataError: The file cannot be read whole or does not contain 8-bit ids.
    """
    raw = read_raw_label_map(path)
    if raw.ndim != 2 or raw.dtype != np.uint8:
        raise DataError(
            f"{path}: the file is no canonical label map. Use the files that prepare wrote."
        )
    return raw


def resize_image(image: npt.NDArray[np.uint8], size: Sequence[int]) -> npt.NDArray[np.uint8]:
    """Resize an RGB image to (height, width), bilinear with antialiasing."""
    height, width = size
    return np.array(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


def write_image(path: Path, image: npt.NDArray[np.uint8]) -> None:
    """Write an RGB image as PNG."""
    # Level 1 needs a quarter of the time of the default level and a tenth more space (CamVid).
    Image.fromarray(image).save(path, format="PNG", compress_level=1)


def write_label_map(
    path: Path,
    label_map: npt.NDArray[np.uint8],
    *,
    palette: Sequence[Sequence[int]],
    ignore_index: int,
) -> None:
    """Write ids as a palette PNG, which viewers show in class colours, with ignored pixels in white."""
    colours = np.zeros((256, 3), dtype=np.uint8)
    colours[: len(palette)] = palette
    colours[ignore_index] = _WHITE
    image = Image.fromarray(label_map)
    image.putpalette(colours.reshape(-1).tolist())
    image.save(path, format="PNG")


def scale_to_uint8(pixels: Array, value_range: Sequence[int | float]) -> npt.NDArray[np.uint8]:
    """Map `value_range` to 0..255 with rounding, and clip values outside."""
    low, high = value_range
    scaled = np.empty(pixels.shape, dtype=np.uint8)
    rows = max(1, _SCALED_AT_ONCE * len(pixels) // max(pixels.size, 1))
    for top in range(
        0, len(pixels), rows
    ):  # in parts: float64 needs eight times the memory of the result
        part = (pixels[top : top + rows].astype(np.float64) - low) * (255.0 / (high - low))
        scaled[top : top + rows] = np.clip(np.rint(part), 0, 255)
    return scaled


def _gray_picture(path: Path, image: Image.Image, header: Header) -> Picture:
    storage = header.storage
    if storage.alpha in {"channel", "premultiplied"}:
        layers = as_stored(np.array(image.convert("LA")), header)
        return Picture(header, layers[..., 0], layers[..., 1])
    values = stored_values(image, header)
    if not np.isfinite(values).all():
        raise DataError(f"E121 {path} has values that are not finite. Export it again.")
    opacity = None
    if storage.alpha == "key":
        key = gray_key(image.info["transparency"], storage.bits)
        opacity = np.where(values == key, 0, 255).astype(np.uint8)
    if storage.white_is_zero and storage.bits > 8:  # Pillow inverts only samples of up to 8 bits
        if storage.sample != "uint16":
            raise DataError(
                f"E121 {path}: {storage.sample} is stored inverted (WhiteIsZero). Export it again."
            )
        values = np.uint16(65535) - values
    if values.dtype == np.uint8:  # the levels that a viewer shows
        values = as_stored(np.array(image.convert("L")), header)
    return Picture(header, values, opacity)


def _put_on(
    pixels: npt.NDArray[np.uint8], opacity: npt.NDArray[np.uint8], *, ground: int
) -> npt.NDArray[np.uint8]:
    """Blend pixels with a black or white background, as a viewer does."""
    share = opacity.astype(np.float64) / 255
    share = share[..., None] if pixels.ndim == 3 else share
    return np.rint(pixels * share + ground * (1 - share)).astype(np.uint8)
