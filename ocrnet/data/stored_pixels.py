"""Pixels as a file stores them: Pillow's changes during loading are undone."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from ocrnet.data.headers import Header
from ocrnet.errors import DataError

Exif = Literal["error", "apply", "ignore"]
Array = npt.NDArray[Any]

GRAY_STEPS = {
    1: 255,
    2: 85,
    4: 17,
    8: 1,
}  # difference of the levels of neighbouring values, by bits


def check_rotation(path: Path, header: Header, exif: Exif) -> None:
    """Refuse a file with a rotation flag while `exif` is error.

    Raises:
        DataError: The file has a rotation flag and `exif` is error.
    """
    if header.orientation != 1 and exif == "error":
        raise DataError(
            f"E108 {path} has EXIF orientation {header.orientation}. "
            "Export it upright, or set data.exif to apply (rotate by the flag) or ignore; a bundle keeps "
            "the setting of its training."
        )


def rotate(pixels: Array, orientation: int) -> Array:
    """Rotate pixels upright by their EXIF orientation."""
    if orientation in {5, 6, 7, 8}:
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    return pixels


def stored_values(image: Image.Image, header: Header) -> Array:
    """Return the stored values of a file with one value per pixel; Pillow's changes are undone."""
    storage, values = header.storage, np.array(image)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if values.dtype == np.bool_:
        values = values.astype(np.uint8)
    elif storage.colours == "gray" and values.dtype == np.uint8 and storage.bits < 8:
        values = values // np.uint8(GRAY_STEPS[storage.bits])  # Pillow stretched them to 0..255
    elif storage.sample == "int8":
        values = values.view(np.int8)
    elif storage.sample == "uint32":
        values = values.view(np.uint32)
    if storage.swapped:
        values = values.astype(storage.sample).byteswap()
    return as_stored(values, header)


def gray_key(key: int, bits: int) -> int:
    """Return the transparent stored value; Pillow stretches it only for 1-bit files."""
    return min(key, 1) if bits == 1 else key


def as_stored(pixels: Array, header: Header) -> Array:
    """Undo the rotation of a TIFF, which Pillow rotates upright during loading."""
    return _turn_back(pixels, header.orientation) if header.format == "TIFF" else pixels


def _turn_back(pixels: Array, orientation: int) -> Array:
    """Undo `rotate`: only the two quarter turns are not their own inverse."""
    return np.ascontiguousarray(rotate(pixels, {6: 8, 8: 6}.get(orientation, orientation)))
