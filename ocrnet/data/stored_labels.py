"""Label maps as their files store them; `label_maps.py` maps stored values to classes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ocrnet.config.base import PILLOW_PIXELS
from ocrnet.data.headers import Header, header_of, opened
from ocrnet.data.storage import LABEL_MAPS, PICTURES
from ocrnet.data.stored_pixels import (
    GRAY_STEPS,
    Array,
    Exif,
    as_stored,
    check_rotation,
    gray_key,
    rotate,
    stored_values,
)
from ocrnet.errors import DataError

Colour = tuple[int, int, int]

LOSSY = ["JPEG", "MPO", "lossy TIFF", "lossy WEBP"]  # names of `name_format`
_EXACT_FLOAT = 2**24  # whole numbers up to here are exact in 32-bit floats


@dataclass(frozen=True)
class StoredLabels:
    """A label map as its file stores it.

    Args:
        header: Header of the file.
        values: Ids or palette indexes (H, W), or colours (H, W, 3).
        colours: Colour that a viewer shows for each stored value of a palette or gray file with
            8 bits or less; None for other files.
        clear: Stored values that a viewer shows as transparent.
    """

    header: Header
    values: Array
    colours: dict[int, Colour] | None = None
    clear: frozenset[int] = frozenset()


def decode_label_map(
    path: Path, *, exif: Exif = "error", max_pixels: int = PILLOW_PIXELS
) -> StoredLabels:
    """Read a label map as stored, upright if `exif` is apply.

    The caller must refuse a rotation flag with `exif` error, and lossy compression.

    Raises:
        DataError: The file cannot be read whole, is too large, or contains neither ids nor opaque RGB colours.
    """
    with opened(path, max_pixels=max_pixels) as image:
        header = header_of(path, image)
        _check_labels(path, header)
        if header.storage.colours == "RGB":
            values = as_stored(_opaque_colours(path, image), header)
            labels = StoredLabels(header, values)
        else:
            values = _whole(path, stored_values(image, header))
            labels = StoredLabels(header, values, *_shown(image, header))
    if exif == "apply":
        turned = rotate(labels.values, header.orientation)
        labels = StoredLabels(header, turned, labels.colours, labels.clear)
    return labels


def checked_label_map(
    path: Path, *, exif: Exif = "error", max_pixels: int = PILLOW_PIXELS
) -> StoredLabels:
    """Read a label map like `decode_label_map`, and refuse a rotation flag and lossy compression.

    Raises:
        DataError: The file cannot be decoded, has a rotation flag while `exif` is error, or is compressed with loss.
    """
    labels = decode_label_map(path, exif=exif, max_pixels=max_pixels)
    check_rotation(path, labels.header, exif)
    if labels.header.storage.lossy:
        raise DataError(
            f"E105 {path} is {name_format(labels.header)}. Re-export as PNG: lossy compression changes class ids."
        )
    return labels


def name_format(header: Header) -> str:
    """Return the format of a file, such as "JPEG", "lossy WEBP" or "lossy TIFF"."""
    sure = header.format in {"JPEG", "MPO"} or not header.storage.lossy
    return header.format if sure else f"lossy {header.format}"


def _check_labels(path: Path, header: Header) -> None:
    storage = header.storage
    where = f"E121 {path}: a label map"
    if storage.misread:
        raise DataError(f"{where} in {storage.misread}, which decoders misread. Export it as PNG.")
    if storage.white_is_zero:
        raise DataError(
            f"{where} stored inverted (WhiteIsZero, a TIFF tag): programs disagree on its ids. "
            "Export it as PNG, or as TIFF with BlackIsZero."
        )
    allowed = LABEL_MAPS.get(header.format, PICTURES[header.format])
    layered = storage.alpha in {"channel", "premultiplied"} and storage.colours != "RGB"
    if storage.kind not in allowed or layered or storage.extra:
        deep = storage.kind == "RGB uint16"
        what = "16-bit colour" if deep else f"mode {header.mode}, {storage.kind}"
        more = " with alpha" * layered + f" with {storage.extra} more bands" * (storage.extra > 0)
        raise DataError(f"{where} in {what}{more}. Export ids, or 8-bit RGB colours.")


def _shown(image: Image.Image, header: Header) -> tuple[dict[int, Colour] | None, frozenset[int]]:
    """Return the colour of each value that a file may contain, and the transparent values."""
    storage = header.storage
    key = image.info.get("transparency") if storage.alpha == "key" else None
    if image.mode == "P":
        flat = image.getpalette("RGB") or []
        colours = dict(enumerate(zip(flat[::3], flat[1::3], flat[2::3], strict=True)))
        opacity = dict(enumerate(key)) if isinstance(key, bytes) else {key: 0}
        clear = frozenset(i for i, level in opacity.items() if i is not None and level < 255)
        return colours, clear
    clear = frozenset() if key is None else frozenset({gray_key(key, storage.bits)})
    if storage.bits > 8 or storage.sample.startswith("int"):
        return None, clear
    # Pillow reads a BMP with a gray palette as gray: its entries are 0, 1, 2 ..., or black and white.
    bits = 1 if image.mode == "1" else 8 if storage.colours == "palette" else storage.bits
    levels = [value * GRAY_STEPS[bits] for value in range(1 << bits)]
    return {value: (level, level, level) for value, level in enumerate(levels)}, clear


def _opaque_colours(path: Path, image: Image.Image) -> Array:
    layers = np.array(image.convert("RGBA"))
    if layers[..., 3].min() < 255:
        raise DataError(
            f"E121 {path}: the label map has transparent pixels. Export it without alpha."
        )
    return layers[..., :3]


def _whole(path: Path, raw: Array) -> Array:
    if not np.issubdtype(raw.dtype, np.floating):
        return raw
    wrong = ~np.isfinite(raw) | (np.rint(raw) != raw)
    if wrong.any():
        y, x = np.unravel_index(int(np.argmax(wrong)), raw.shape)
        raise DataError(
            f"E121 {path}: the label map has fractions (value {raw[y, x]:g} at x={x} y={y}). Export "
            "whole ids."
        )
    if np.abs(raw).max() > _EXACT_FLOAT:
        raise DataError(
            f"E121 {path}: the label map has floats up to {np.abs(raw).max():g}, which are not exact "
            f"above {_EXACT_FLOAT}. Export integer ids."
        )
    return raw.astype(np.int64)
