"""The contract of the readers: a file of every format, kind and tag that is accepted, and what it stores.

The files are written by hand (`raw_files.py`), so that the right values are known without a decoder. A kind that is
added to `LABEL_MAPS` or `PICTURES` needs a case here.
"""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ocrnet.data.decode import read_image, read_pixels, read_raw_label_map
from ocrnet.data.headers import header_of, opened
from ocrnet.data.storage import LABEL_MAPS, PICTURES
from ocrnet.errors import DataError
from tests.ocrnet.data.raw_files import Array, values, write_bmp, write_png, write_tiff

Write = Callable[[Path], object]
Case = tuple[str, Write, Array]  # extension, how to write it, what it stores

GRAY = [(i, i, i) for i in range(256)]
BLACK_WHITE, WHITE_BLACK = [(0, 0, 0), (255, 255, 255)], [(255, 255, 255), (0, 0, 0)]
COLOURS = np.random.default_rng(1).integers(0, 256, (256, 3)).tolist()
GAMMA = [(b"gAMA", struct.pack(">I", 100000)), (b"iCCP", b"p\0\0" + zlib.compress(b"x" * 200))]
PNG_COLOUR = {"gray": 0, "RGB": 2, "palette": 3, "RGBA": 6}


def opaque(bits: int, bands: int = 4) -> Array:
    found = values(bits, bands)
    found[..., -1] = (1 << bits) - 1
    return found


def png(name: str, bits: int, stored: Array, **options: Any) -> tuple[str, Write, Array]:
    chunks = list(options.pop("chunks", []))
    if name == "palette":
        chunks.insert(0, (b"PLTE", bytes(sum(COLOURS[: 1 << bits], []))))
    kind = PNG_COLOUR[name]
    return "png", lambda path: write_png(path, stored, bits=bits, colour_type=kind, chunks=chunks, **options), stored  # fmt: skip


def tiff(stored: Array, bits: int, photometric: int, **options: Any) -> Case:
    tags = dict(options.pop("tags", {}))
    if photometric == 3:
        shades = np.array(COLOURS[: 1 << bits]).T.reshape(-1) * 257
        tags[320] = shades.tolist()
    return "tif", lambda path: write_tiff(path, stored, bits=bits, photometric=photometric, tags=tags, **options), stored  # fmt: skip


def bmp(bits: int, stored: Array, **options: Any) -> Case:
    return "bmp", lambda path: write_bmp(path, stored, bits=bits, **options), stored


def webp(stored: Array) -> Case:
    image = Image.fromarray(stored.astype(np.uint8))
    return "webp", lambda path: image.save(path, lossless=True, exact=True), stored


def label_cases() -> dict[str, Case]:
    cases: dict[str, Case] = {}
    for bits in (1, 2, 4, 8, 16):
        stored = values(bits)
        cases[f"PNG gray {bits}"] = png("gray", bits, stored)
        key = [(b"tRNS", struct.pack(">H", 1))]
        cases[f"PNG gray {bits}, transparent 1"] = png("gray", bits, stored, chunks=key)
        cases[f"PNG gray {bits}, gamma"] = png("gray", bits, stored, chunks=GAMMA)
        cases[f"PNG gray {bits}, interlaced"] = png("gray", bits, stored, interlaced=True)
    for bits in (1, 2, 4, 8):
        stored = values(bits)
        cases[f"PNG palette {bits}"] = png("palette", bits, stored)
        plte = (b"PLTE", bytes(sum(COLOURS[: 1 << bits], [])))
        clear = [plte, (b"tRNS", bytes([0, 255]))]
        write = lambda path, stored=stored, bits=bits, clear=clear: write_png(path, stored, bits=bits, colour_type=3, chunks=clear)  # noqa: E731  # fmt: skip
        cases[f"PNG palette {bits}, transparent 0"] = ("png", write, stored)
        for order in "<>":
            cases[f"TIFF{order} palette {bits}"] = tiff(stored, bits, 3, order=order)
            cases[f"TIFF{order} gray {bits}"] = tiff(stored, bits, 1, order=order)
            cases[f"TIFF{order} gray {bits}, deflate"] = tiff(stored, bits, 1, order=order, deflate=True)  # fmt: skip
            if bits == 8 or order == "<":
                fill = {"order": order, "tags": {266: [2]}}
                cases[f"TIFF{order} gray {bits}, bits reversed"] = tiff(stored, bits, 1, **fill)
    for bits, signed in ((12, False), (16, False), (32, False), (8, True), (16, True), (32, True)):
        stored = values(bits, signed=signed)
        for order in "<" if not signed and bits != 16 else "<>":  # others are refused
            options: dict[str, Any] = {"order": order, "sample_format": 2 if signed else 1}
            name = f"TIFF{order} gray {'int' if signed else 'uint'}{bits}"
            cases[name] = tiff(stored, bits, 1, **options)
            if bits != 12:
                cases[f"{name}, deflate"] = tiff(stored, bits, 1, deflate=True, **options)
    whole = values(16, signed=True)
    for order in "<>":
        for deflate in (False, True):
            name = f"TIFF{order} float32{', deflate' * deflate}"
            cases[name] = tiff(whole, 32, 1, sample_format=3, order=order, deflate=deflate)
            name = f"TIFF{order} RGB{', deflate' * deflate}"
            cases[name] = tiff(values(8, 3), 8, 2, order=order, deflate=deflate)
            cases[f"{name} planes"] = tiff(values(8, 3), 8, 2, order=order, deflate=deflate, tags={284: [2]})  # fmt: skip
        alpha = opaque(8)
        cases[f"TIFF{order} RGBA"] = ("tif", tiff(alpha, 8, 2, order=order, tags={338: [2]})[1], alpha[..., :3])  # fmt: skip
    tagged = values(8)
    cases["GeoTIFF, nodata 0"] = tiff(tagged, 8, 1, tags={42113: b"0\0", 34675: b"profile"})
    cases["TIFF gray 8, one plane"] = tiff(tagged, 8, 1, tags={284: [2]})
    for bits in (1, 4, 8):
        stored = values(bits)
        cases[f"BMP {bits}, colours"] = bmp(bits, stored, palette=COLOURS[: 1 << bits])
    cases["BMP 1, black and white"] = bmp(1, values(1), palette=BLACK_WHITE)
    cases["BMP 1, white and black"] = bmp(1, values(1), palette=WHITE_BLACK)
    cases["BMP 8, gray"] = bmp(8, values(8), palette=GRAY)
    cases["BMP 8, gray of 16"] = bmp(8, values(4), palette=GRAY[:16])
    cases["BMP 8, white and black"] = bmp(8, values(1), palette=WHITE_BLACK)
    for bits in (4, 8):
        cases[f"BMP {bits}, RLE gray"] = bmp(bits, values(bits), palette=GRAY[: 1 << bits], rle=True)
        cases[f"BMP {bits}, RLE colours"] = bmp(bits, values(bits), palette=COLOURS[: 1 << bits], rle=True)  # fmt: skip
    cases["BMP 8, RLE black and white"] = bmp(8, values(1), palette=BLACK_WHITE, rle=True)
    cases["BMP 24"] = bmp(24, values(8, 3))
    cases["BMP 32, not used"] = bmp(32, values(8, 3))
    cases["BMP 32, alpha"] = ("bmp", bmp(32, opaque(8))[1], opaque(8)[..., :3])
    cases["PNG RGB"] = png("RGB", 8, values(8, 3))
    cases["PNG RGB, gamma"] = png("RGB", 8, values(8, 3), chunks=GAMMA)
    cases["PNG RGBA"] = ("png", png("RGBA", 8, opaque(8))[1], opaque(8)[..., :3])
    cases["WebP RGB"] = webp(values(8, 3))
    cases["WebP RGBA"] = ("webp", webp(opaque(8))[1], opaque(8)[..., :3])
    return cases


LABELS = label_cases()


@pytest.mark.parametrize("name", LABELS)
def test_a_label_map_is_what_its_file_stores(name: str, tmp_path: Path) -> None:
    extension, write, stored = LABELS[name]
    path = tmp_path / f"a.{extension}"
    write(path)
    np.testing.assert_array_equal(read_raw_label_map(path), stored)


def kinds_of(cases: dict[str, Case], folder: Path) -> set[tuple[str, str]]:
    found = set()
    for extension, write, _ in cases.values():
        path = folder / f"a.{extension}"
        write(path)
        with opened(path) as image:
            header = header_of(path, image)
        found.add((header.format, header.storage.kind))
    return found


def test_every_kind_of_label_map_has_a_case(tmp_path: Path) -> None:
    listed = {(name, kind) for name, kinds in LABEL_MAPS.items() for kind in kinds}
    assert kinds_of(LABELS, tmp_path) == listed


def upright(stored: Array, orientation: int) -> Array:
    """Turn as TIFF 6.0 says: the 0th row and column are (top, left), (top, right), ..."""
    turned = {2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: lambda a: np.swapaxes(a, 0, 1),
              6: lambda a: np.rot90(a, -1), 7: lambda a: np.rot90(np.swapaxes(a, 0, 1), 2),
              8: lambda a: np.rot90(a, 1)}  # fmt: skip
    return np.asarray(turned[orientation](stored))


FLAGGED: dict[str, Callable[[int], Case]] = {
    "gray": lambda flag: tiff(values(8), 8, 1, tags={274: [flag]}),
    "gray, deflate": lambda flag: tiff(values(8), 8, 1, tags={274: [flag]}, deflate=True),
    "gray 2": lambda flag: tiff(values(2), 2, 1, tags={274: [flag]}),
    "gray 16, big endian": lambda flag: tiff(values(16), 16, 1, tags={274: [flag]}, order=">"),
    "int32": lambda flag: tiff(values(32, signed=True), 32, 1, sample_format=2, tags={274: [flag]}),
    "palette": lambda flag: tiff(values(8), 8, 3, tags={274: [flag]}),
    "RGB": lambda flag: tiff(values(8, 3), 8, 2, tags={274: [flag]}),
    "RGB 16": lambda flag: tiff(values(16, 3), 16, 2, tags={274: [flag]}),
    "RGB 16, big endian": lambda flag: tiff(values(16, 3), 16, 2, tags={274: [flag]}, order=">"),
}


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("name", FLAGGED)
def test_a_tiff_is_turned_once_or_not_at_all(name: str, orientation: int, tmp_path: Path) -> None:
    _, write, stored = FLAGGED[name](orientation)
    path = tmp_path / "a.tif"
    write(path)
    right = upright(stored, orientation)
    if name != "palette":
        header, pixels = read_pixels(path)
        assert (header.height, header.width, header.orientation) == (6, 9, orientation)
        np.testing.assert_array_equal(pixels, stored * (85 if name == "gray 2" else 1))
        high = 255 if pixels.dtype == np.uint8 else pixels.max()
        shown = read_image(path, exif="apply", value_range=(0, high))
        assert shown.shape[:2] == right.shape[:2]
        np.testing.assert_array_equal(
            read_image(path, exif="ignore", value_range=(0, high)),
            upright(shown, {6: 8, 8: 6}.get(orientation, orientation)),
        )
    if "RGB 16" not in name:
        np.testing.assert_array_equal(read_raw_label_map(path, exif="ignore"), stored)
        np.testing.assert_array_equal(read_raw_label_map(path, exif="apply"), right)
        with pytest.raises(DataError, match="E108"):
            read_raw_label_map(path)
