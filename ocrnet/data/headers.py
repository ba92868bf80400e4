"""What an image file says about its pixels before they are decoded."""

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from ocrnet.errors import DataError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
GRAY_MODES = {"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N", "F"}
EIGHT_BIT_MODES = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX"}
DEEP_GRAY_MODES = GRAY_MODES - EIGHT_BIT_MODES

_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error)
_BITS_PER_SAMPLE = 258  # a TIFF tag
_PNG_COLOURS = {2, 4, 6}  # PNG colour types with several channels


@dataclass(frozen=True)
class Header:
    """What a file says about its pixels before they are decoded.

    Args:
        height, width: as stored, before any rotation.
        depth: bits per channel, 8 also for 1-bit files.
        orientation: the EXIF flag; 1 is upright.
    """

    format: str
    mode: str
    height: int
    width: int
    depth: int
    is_gray: bool
    orientation: int


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Open an image; what goes wrong with the file inside is a `DataError` that names it."""
    try:
        with warnings.catch_warnings():
            # Damaged EXIF matters only if it names a rotation; the scan judges large pictures.
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                yield image
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"E121 {path}: no such file.") from None
    except Image.DecompressionBombError as error:
        raise DataError(
            f"E121 {path} is larger than Pillow opens ({error}). Cut it into tiles."
        ) from None
    except _UNREADABLE as error:
        reason = " ".join(str(error).replace(str(path), "the file").split())
        raise DataError(f"E121 {path} cannot be read ({reason}). Export it again.") from None


def header_of(path: Path, image: Image.Image) -> Header:
    """Return the header of an opened image.

    Raises:
        DataError: it has several frames.
    """
    frames = getattr(image, "n_frames", 1)
    if frames != 1:
        raise DataError(f"E121 {path} has {frames} frames. Export one image per file.")
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    return Header(
        format=str(image.format),
        mode=image.mode,
        height=image.height,
        width=image.width,
        depth=_depth(path, image),
        is_gray=image.mode in GRAY_MODES,
        orientation=orientation if orientation in range(1, 9) else 1,
    )


def _depth(path: Path, image: Image.Image) -> int:
    if image.mode in DEEP_GRAY_MODES:
        return 16 if image.mode.startswith("I;16") else 32
    if image.format == "PNG":
        with path.open("rb") as file:
            head = file.read(26)
        return 16 if head[24] == 16 and head[25] in _PNG_COLOURS else 8
    if image.format == "TIFF":
        tags: Any = getattr(image, "tag_v2", {})
        return 16 if max(tags.get(_BITS_PER_SAMPLE, (8,))) > 8 else 8
    return 8
