"""A file of every format, kind and tag that a label map may have, with the values that it stores."""

import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import Image

from tests.ocrnet.data.raw_files import Array, values, write_bmp, write_png, write_tiff

Case = tuple[str, str, Callable[[Path], object], Array]  # name, extension, how to write it, values

GRAY = [(i, i, i) for i in range(256)]
BLACK_WHITE, WHITE_BLACK = [(0, 0, 0), (255, 255, 255)], [(255, 255, 255), (0, 0, 0)]
COLOURS: list[list[int]] = np.random.default_rng(1).integers(0, 256, (256, 3)).tolist()
GAMMA = [(b"gAMA", struct.pack(">I", 100000)), (b"iCCP", b"p\0\0" + zlib.compress(b"x" * 200))]
SAMPLES = {1: "uint", 2: "int", 3: "float"}
PNG_COLOUR = {"gray": 0, "RGB": 2, "palette": 3, "gray with alpha": 4, "RGBA": 6}

# Gradio allows Pillow 12 alone, which refuses some rare files that a newer one reads.
PILLOW_13 = int(PIL.__version__.partition(".")[0]) >= 13


def opaque(bits: int, bands: int = 4) -> Array:
    """Return random samples whose last band is opaque."""
    found = values(bits, bands)
    found[..., -1] = (1 << bits) - 1
    return found


def png(name: str, colours: str, bits: int, stored: Array, **options: Any) -> Case:
    """Return a PNG; a palette is that of COLOURS."""
    chunks = list(options.pop("chunks", []))
    if colours == "palette":
        chunks.insert(
            0, (b"PLTE", bytes(np.array(COLOURS[: 1 << bits], dtype=np.uint8).reshape(-1)))
        )
    kind = PNG_COLOUR[colours]

    def write(path: Path) -> object:
        return write_png(path, stored, bits=bits, colour_type=kind, chunks=chunks, **options)

    return f"PNG {colours} {bits}{name}", "png", write, stored


def tiff(name: str, stored: Array, bits: int, photometric: int | None, **options: Any) -> Case:
    """Return a TIFF; a palette is that of COLOURS."""
    tags = dict(options.pop("tags", {}))
    if photometric == 3:
        tags[320] = (np.array(COLOURS[: 1 << bits]).T.reshape(-1) * 257).tolist()

    def write(path: Path) -> object:
        return write_tiff(path, stored, bits=bits, photometric=photometric, tags=tags, **options)

    return f"TIFF {name}", "tif", write, stored


def bmp(name: str, bits: int, stored: Array, **options: Any) -> Case:
    """Return a BMP."""
    return (
        f"BMP {bits}{name}",
        "bmp",
        lambda path: write_bmp(path, stored, bits=bits, **options),
        stored,
    )


def _without_alpha(case: Case) -> Case:
    name, extension, write, stored = case
    return name, extension, write, stored[..., :3]


def _png_cases() -> Iterator[Case]:
    for bits in (1, 2, 4, 8, 16):
        stored = values(bits)
        yield png("", "gray", bits, stored)
        yield png(", 1 clear", "gray", bits, stored, chunks=[(b"tRNS", struct.pack(">H", 1))])
        yield png(", gamma", "gray", bits, stored, chunks=GAMMA)
        yield png(", interlaced", "gray", bits, stored, interlaced=True)
    for bits in (1, 2, 4, 8):
        yield png("", "palette", bits, values(bits))
        yield png(", 0 clear", "palette", bits, values(bits), chunks=[(b"tRNS", bytes([0, 255]))])
    yield png("", "RGB", 8, values(8, 3))
    yield png(", gamma", "RGB", 8, values(8, 3), chunks=GAMMA)
    yield _without_alpha(png("", "RGBA", 8, opaque(8)))


def _tiff_cases() -> Iterator[Case]:
    for bits in (1, 2, 4, 8):
        stored = values(bits)
        yield tiff(f"gray {bits}, bits reversed", stored, bits, 1, tags={266: [2]})
        for order in "<>":
            yield tiff(f"{order} palette {bits}", stored, bits, 3, order=order)
            for deflate in (False, True):
                name = f"{order} gray {bits}{', deflate' * deflate}"
                yield tiff(name, stored, bits, 1, order=order, deflate=deflate)
    yield tiff("uint12", values(12), 12, 1)
    yield tiff("nodata 0 and a profile", values(8), 8, 1, tags={42113: b"0\0", 34675: b"profile"})
    yield tiff("one plane", values(8), 8, 1, tags={284: [2]})


def _deep_tiff_cases() -> Iterator[Case]:
    for bits, code in ((16, 1), (32, 1), (8, 2), (16, 2), (32, 2), (32, 3)):
        stored = values(16 if code == 3 else bits, signed=code > 1)
        for order in "<" if (bits, code) == (32, 1) else "<>":  # the other one is refused
            for deflate in (False, True):
                name = f"{order} {SAMPLES[code]}{bits}{', deflate' * deflate}"
                yield tiff(name, stored, bits, 1, order=order, sample_format=code, deflate=deflate)


def _colour_tiff_cases() -> Iterator[Case]:
    for order in "<>":
        for deflate in (False, True):
            name, options = (
                f"{order} RGB{', deflate' * deflate}",
                {"order": order, "deflate": deflate},
            )
            yield tiff(name, values(8, 3), 8, 2, **options)
            yield tiff(f"{name}, planes", values(8, 3), 8, 2, tags={284: [2]}, **options)
        yield _without_alpha(tiff(f"{order} RGBA", opaque(8), 8, 2, order=order, tags={338: [2]}))


def _bmp_cases() -> Iterator[Case]:
    for bits in (1, 4, 8):
        yield bmp(", colours", bits, values(bits), palette=COLOURS[: 1 << bits])
    for bits in (4, 8):
        for name, palette in (("gray", GRAY), ("colours", COLOURS)):
            yield bmp(f", RLE {name}", bits, values(bits), palette=palette[: 1 << bits], rle=True)
    for bits in (1, 8):
        yield bmp(", white and black", bits, values(1), palette=WHITE_BLACK)
    yield bmp(", black and white", 1, values(1), palette=BLACK_WHITE)
    if PILLOW_13:  # an older one does not read it, so it is refused
        yield bmp(", RLE black and white", 8, values(1), palette=BLACK_WHITE, rle=True)
    yield bmp(", gray", 8, values(8), palette=GRAY)
    yield bmp(", gray of 16", 8, values(4), palette=GRAY[:16])
    yield bmp("", 24, values(8, 3))
    yield bmp(", a byte not used", 32, values(8, 3))
    yield _without_alpha(bmp(", alpha", 32, opaque(8)))


def _webp_cases() -> Iterator[Case]:
    for stored in (values(8, 3), opaque(8)):
        image = Image.fromarray(stored.astype(np.uint8))

        def write(path: Path, image: Image.Image = image) -> None:
            image.save(path, lossless=True, exact=True)

        yield f"WebP {image.mode}", "webp", write, stored[..., :3]


LABEL_CASES = {
    case[0]: case
    for cases in (
        _png_cases,
        _tiff_cases,
        _deep_tiff_cases,
        _colour_tiff_cases,
        _bmp_cases,
        _webp_cases,
    )
    for case in cases()
}
