"""The contract of the readers: every format, kind and tag is read as what the file stores, or is refused.

The files are written by hand (`raw_files.py`), so that the right values are known without a decoder. A kind that is
added to `LABEL_MAPS` or `PICTURES` needs a case here.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ocrnet.data.decode import read_image, read_pixels, read_raw_label_map
from ocrnet.data.headers import header_of, opened
from ocrnet.data.storage import LABEL_MAPS, PICTURES
from ocrnet.errors import DataError
from tests.ocrnet.data.format_cases import (
    BLACK_WHITE,
    COLOURS,
    GRAY,
    LABEL_CASES,
    Case,
    bmp,
    opaque,
    png,
    tiff,
)
from tests.ocrnet.data.raw_files import Array, values


def put(case: Case, folder: Path) -> Path:
    path = folder / f"a.{case[1]}"
    case[2](path)
    return path


def kinds_of(cases: Iterable[Case], folder: Path) -> set[tuple[str, str]]:
    found = set()
    for case in cases:
        path = put(case, folder)
        with opened(path) as image:
            header = header_of(path, image)
        found.add((header.format, header.storage.kind))
    return found


def listed(table: dict[str, frozenset[str]]) -> set[tuple[str, str]]:
    return {(name, kind) for name, kinds in table.items() for kind in kinds}


@pytest.mark.parametrize("name", LABEL_CASES)
def test_a_label_map_is_what_its_file_stores(name: str, tmp_path: Path) -> None:
    case = LABEL_CASES[name]
    np.testing.assert_array_equal(read_raw_label_map(put(case, tmp_path)), case[3])


def test_every_kind_of_label_map_has_a_case(tmp_path: Path) -> None:
    assert kinds_of(LABEL_CASES.values(), tmp_path) == listed(LABEL_MAPS)


def saved(extension: str, mode: str, **options: Any) -> Case:
    image = Image.new(mode, (9, 6))
    if options.get("format") == "MPO":
        options.update(save_all=True, append_images=[Image.new(mode, (3, 2))])
    return mode, extension, lambda path: image.save(path, **options), values(8)


# Label maps that are refused: the case and what the line says.
REFUSED: dict[str, tuple[Case, str]] = {
    **{
        f"WhiteIsZero, {bits} bits": (tiff("", values(bits), bits, 0), "E121 .*inverted")
        for bits in (1, 2, 4, 8, 16)
    },
    "no photometric tag": (tiff("", values(8), 8, None), "E121 .*inverted"),
    "big-endian uint32": (tiff("", values(32), 32, 1, order=">"), "E121 .*cannot be read"),
    "PNG gray with alpha": (png("", "gray with alpha", 8, opaque(8, 2)), "E121 .*with alpha"),
    "PNG gray with alpha, 16 bits": (png("", "gray with alpha", 16, opaque(16, 2)), "E121 .*with alpha"),
    "PNG RGB, 16 bits": (png("", "RGB", 16, values(16, 3)), "E121 .*16-bit colour"),
    "PNG RGB with a clear colour": (
        png("", "RGB", 8, values(8, 3), chunks=[(b"tRNS", bytes([0, 255] * 3))]), "E121 .*transparent"
    ),
    "TIFF of four bands": (tiff("", values(8, 4), 8, 2, tags={338: [0]}), "E121 .*1 more bands"),
    "TIFF of four bands without a tag": (tiff("", opaque(8), 8, 2), "E121 .*1 more bands"),
    "TIFF of two bands": (tiff("", values(8, 2), 8, 1, tags={338: [0]}), "E121"),
    "BMP 8, black and white": (bmp("", 8, values(1), palette=BLACK_WHITE), "E121 .*gray palette"),
    "BMP 4, black and white": (bmp("", 4, values(1), palette=BLACK_WHITE), "E121 .*gray palette"),
    "BMP 4, gray": (bmp("", 4, values(4), palette=GRAY[:16]), "E121"),
    "TIFF 2, one plane": (tiff("", values(2), 2, 1, tags={284: [2]}), "E121"),
    "TIFF CMYK": (saved("tif", "CMYK"), "E121 .*mode CMYK"),
    "TIFF LAB": (saved("tif", "LAB"), "E121 .*mode LAB"),
    "TIFF YCbCr": (saved("tif", "YCbCr"), "E121 .*YCbCr"),
    "JPEG in a TIFF": (saved("tif", "L", compression="jpeg"), "E105 .*lossy TIFF"),
    "JPEG": (saved("jpg", "L"), "E105 .*JPEG"),
    "lossy WebP": (saved("webp", "RGB"), "E105 .*lossy WEBP"),
    "GIF under another name": (saved("png", "P", format="GIF"), "E121 .*cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_label_map_that_may_be_misread_is_refused(name: str, tmp_path: Path) -> None:
    case, line = REFUSED[name]
    with pytest.raises(DataError, match=line):
        read_raw_label_map(put(case, tmp_path))


def upright(stored: Array, orientation: int) -> Array:
    """Turn as TIFF 6.0 says: the 0th row and column are (top, left), (top, right), ..."""
    turned: dict[int, Callable[[Array], Array]] = {
        2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: lambda a: np.swapaxes(a, 0, 1),
        6: lambda a: np.rot90(a, -1), 7: lambda a: np.rot90(np.swapaxes(a, 0, 1), 2),
        8: lambda a: np.rot90(a, 1),
    }  # fmt: skip
    return turned[orientation](stored)


FLAGGED: dict[str, tuple[Array, int, dict[str, Any]]] = {
    "gray": (values(8), 8, {}),
    "gray, deflate": (values(8), 8, {"deflate": True}),
    "gray 2": (values(2), 2, {}),
    "gray 16, big endian": (values(16), 16, {"order": ">"}),
    "int32": (values(32, signed=True), 32, {"sample_format": 2}),
    "palette": (values(8), 8, {"photometric": 3}),
    "RGB": (values(8, 3), 8, {"photometric": 2}),
    "RGB 16": (values(16, 3), 16, {"photometric": 2}),
    "RGB 16, big endian": (values(16, 3), 16, {"photometric": 2, "order": ">"}),
}


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("name", FLAGGED)
def test_a_tiff_is_turned_once_or_not_at_all(name: str, orientation: int, tmp_path: Path) -> None:
    stored, bits, options = FLAGGED[name]
    options = {"photometric": 1, "tags": {274: [orientation]}, **options}
    path = put(tiff("", stored, bits, **options), tmp_path)
    if name != "palette":
        header, pixels = read_pixels(path)
        assert (header.height, header.width, header.orientation) == (6, 9, orientation)
        np.testing.assert_array_equal(pixels, stored * (85 if bits == 2 else 1))
        seen, kept = (
            read_image(path, exif=exif, value_range=(0, 65535)) for exif in ("apply", "ignore")
        )
        np.testing.assert_array_equal(seen, upright(kept, orientation))
    if "RGB 16" not in name:
        np.testing.assert_array_equal(read_raw_label_map(path, exif="ignore"), stored)
        np.testing.assert_array_equal(
            read_raw_label_map(path, exif="apply"), upright(stored, orientation)
        )
        with pytest.raises(DataError, match="E108"):
            read_raw_label_map(path)


def test_a_palette_of_a_label_map_may_be_that_of_anything(tmp_path: Path) -> None:
    """Where indexes are ids, the order of the colours changes nothing."""
    stored = values(8)
    for palette in (COLOURS, COLOURS[::-1], GRAY):
        path = put(bmp("", 8, stored, palette=palette), tmp_path)
        np.testing.assert_array_equal(read_raw_label_map(path), stored)


def test_every_kind_of_picture_is_read(tmp_path: Path) -> None:
    more = [
        png("", "RGB", 16, values(16, 3)), tiff("", values(16, 3), 16, 2),
        bmp("", 16, values(16)),
        *(saved("jpg", mode) for mode in ("L", "RGB")), saved("tif", "YCbCr", compression="jpeg"),
        *(saved("jpg", mode, format="MPO") for mode in ("L", "RGB")),
    ]  # fmt: skip
    assert kinds_of([*LABEL_CASES.values(), *more], tmp_path) == listed(PICTURES)
    for case in (*LABEL_CASES.values(), *more):
        header, pixels = read_pixels(put(case, tmp_path))
        assert pixels.shape[:2] == (6, 9)
        if case in more or header.storage.colours == "palette" or pixels.ndim == 3:
            continue
        step = {1: 255, 2: 85, 4: 17}.get(header.storage.bits, 1)
        np.testing.assert_array_equal(pixels, case[3] * step)
