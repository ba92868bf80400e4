"""Headers of image files, read before the pixels are decoded."""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image, UnidentifiedImageError

from ocrnet.config.base import PILLOW_PIXELS
from ocrnet.data.storage import FORMATS, Storage, storage_of
from ocrnet.errors import DataError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
GRAY_MODES = {"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N", "F"}

_PNG_START = b"\x89PNG\r\n\x1a\n"
# Errors that Pillow's readers raise on damaged files.
_UNREADABLE = (
    OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, TypeError, LookupError, ArithmeticError,
)  # fmt: skip
_TILE_WIDTH, _TILE_HEIGHT = 322, 323  # TIFF tags
TURNED = {5, 6, 7, 8}  # orientations that exchange height and width


@dataclass(frozen=True)
class Header:
    """The header of an image file.

    Args:
        format: Format of the file, as Pillow spells it.
        mode: Mode of the file in Pillow.
        height, width: Size as stored, before any rotation.
        depth: Bits per channel; 8 also for fewer bits.
        is_gray: Whether the image is gray.
        orientation: EXIF flag; 1 is upright.
        storage: Storage of a pixel in the file.
    """

    format: str
    mode: str
    height: int
    width: int
    depth: int
    is_gray: bool
    orientation: int
    storage: Storage


class TooLargeError(DataError):
    """An image with more pixels than allowed.

    Attributes:
        height, width: Size in the file's header.
    """

    def __init__(self, path: Path, size: tuple[int, int], limit: int) -> None:
        self.height, self.width = size
        super().__init__(
            f"E124 {path}: {self.width} x {self.height} pixels, allowed are {limit}. Cut it into tiles, or raise "
            "data.max_pixels; a bundle keeps the limit of its training."
        )


@contextmanager
def opened(path: Path, *, max_pixels: int = PILLOW_PIXELS) -> Iterator[Image.Image]:
    """Open an image; errors about the file inside the block become a `DataError` that names it.

    Args:
        path: Path of the file.
        max_pixels: Largest number of pixels; a larger image is refused by its header, before anything is decoded.

    Raises:
        DataError: The image cannot be read or is too large.
    """
    try:
        _check_size(path, first_size(path), max_pixels)
        with warnings.catch_warnings():
            # Damaged EXIF matters only if it has a rotation flag; the size is checked here.
            warnings.simplefilter("ignore")
            # A file object: for a path, Pillow maps uncompressed pixels with the size after rotation.
            with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
                _check_size(path, (image.height, image.width), max_pixels)
                _check_blocks(path, image, max_pixels)
                yield image
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"E121 {path}: no such file. Put it there.") from None
    except Image.DecompressionBombError as error:
        raise DataError(
            f"E124 {path} is above the limit of Pillow ({error}). Cut it into tiles."
        ) from None
    except UnidentifiedImageError:
        raise DataError(
            f"E121 {path} cannot be read (not a supported {', '.join(FORMATS)} file). Export it again."
        ) from None
    except _UNREADABLE as error:
        reason = " ".join(str(error).replace(str(path), "the file").split())
        raise DataError(f"E121 {path} cannot be read ({reason}). Export it again.") from error


def first_size(path: Path) -> tuple[int, int] | None:
    """Return height and width from the first bytes of a PNG or WebP file; None for other files.

    Pillow allocates memory for a WebP as soon as it opens the file. A PNG may have a second header, which Pillow uses
    and OpenCV does not.
    """
    with path.open("rb") as file:
        head = file.read(30)
    if head.startswith(_PNG_START) and head[12:16] == b"IHDR" and len(head) >= 24:
        width, height = struct.unpack(">II", head[16:24])
        return height, width
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP" or len(head) < 30:
        return None
    kind = head[12:16]
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(head[at : at + 3], "little") for at in (24, 27))
    elif kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    else:
        width, height = (int.from_bytes(head[at : at + 2], "little") & 0x3FFF for at in (26, 28))
    return height, width


def _check_size(path: Path, size: tuple[int, int] | None, max_pixels: int) -> None:
    if size is not None and size[0] * size[1] > max_pixels:
        raise TooLargeError(path, size, max_pixels)


def _check_blocks(path: Path, image: Image.Image, max_pixels: int) -> None:
    """Refuse a TIFF whose tiles are above the limit: a decoder allocates memory for a whole tile."""
    tags: Any = getattr(image, "tag_v2", {})
    height, width = (tags.get(tag, 0) for tag in (_TILE_HEIGHT, _TILE_WIDTH))
    _check_size(path, (int(height), int(width)), max_pixels)


def header_of(path: Path, image: Image.Image) -> Header:
    """Return the header of an opened image.

    Raises:
        DataError: The image has several frames.
    """
    frames = getattr(image, "n_frames", 1)
    if (
        frames != 1 and image.format != "MPO"
    ):  # the first frame of an MPO is the image, the others are previews
        raise DataError(f"E121 {path} has {frames} frames. Export one image per file.")
    storage = storage_of(path, image)
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    width, height = image.size
    if image.format == "TIFF" and getattr(image, "tag_v2", {}).get(274) in TURNED:
        width, height = height, width  # Pillow reports the size after rotation
    return Header(
        format=str(image.format),
        mode=image.mode,
        height=height,
        width=width,
        depth=8 if storage.bits <= 8 else 16 if storage.bits <= 16 else 32,
        is_gray=image.mode in GRAY_MODES or storage.colours == "gray",
        orientation=orientation if orientation in range(1, 9) else 1,
        storage=storage,
    )
