"""What an image file says about its pixels before they are decoded."""

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import ExifTags, Image, UnidentifiedImageError

from ocrnet.data.storage import FORMATS, Storage, storage_of
from ocrnet.errors import DataError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
GRAY_MODES = {"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N", "F"}

_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error)
_TURNED = {5, 6, 7, 8}  # orientations that exchange height and width


@dataclass(frozen=True)
class Header:
    """What a file says about its pixels before they are decoded.

    Args:
        height, width: as stored, before any rotation.
        depth: bits per channel, 8 also for 1-bit files.
        orientation: the EXIF flag; 1 is upright.
        storage: how the file stores a pixel.
    """

    format: str
    mode: str
    height: int
    width: int
    depth: int
    is_gray: bool
    orientation: int
    storage: Storage


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Open an image; what goes wrong with the file inside is a `DataError` that names it."""
    try:
        with warnings.catch_warnings():
            # Damaged EXIF matters only if it names a rotation; the scan judges large pictures.
            warnings.simplefilter("ignore")
            # By a file object: of a path, Pillow maps uncompressed pixels at the size after rotation.
            with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
                yield image
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"E121 {path}: no such file.") from None
    except Image.DecompressionBombError as error:
        raise DataError(
            f"E121 {path} is larger than Pillow opens ({error}). Cut it into tiles."
        ) from None
    except UnidentifiedImageError:
        raise DataError(
            f"E121 {path} cannot be read (no {', '.join(FORMATS)} of a kind that is known). Export it again."
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
    if (
        frames != 1 and image.format != "MPO"
    ):  # the first of an MPO is the photo, the others previews
        raise DataError(f"E121 {path} has {frames} frames. Export one image per file.")
    storage = storage_of(path, image)
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    width, height = image.size
    if image.format == "TIFF" and getattr(image, "tag_v2", {}).get(274) in _TURNED:
        width, height = height, width  # Pillow tells the size that it will turn the pixels to
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
