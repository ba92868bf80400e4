"""PNG, TIFF and BMP files written by hand, sample by sample, so that tests know what a file stores."""

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Chunk = tuple[bytes, bytes]


def values(bits: int, *bands: int, seed: int = 0, signed: bool = False) -> Array:
    """Return 6 x 9 pixels of random samples that hold the least and the greatest value."""
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    found = np.random.default_rng(seed).integers(low, high + 1, (6, 9, *bands))
    found[0, :2] = [high, low] if not bands else [[high] * bands[0], [low] * bands[0]]
    return found


def write_png(
    path: Path,
    samples: Array,
    *,
    bits: int,
    colour_type: int,
    chunks: Sequence[Chunk] = (),
    interlaced: bool = False,
) -> Path:
    """Write a PNG of samples (H, W) or (H, W, bands)."""
    height, width = samples.shape[:2]
    passes = [samples]
    if interlaced:  # Adam7: first row, first column, steps
        starts = (
            (0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1),
        )  # fmt: skip
        passes = [samples[y::down, x::across] for y, x, down, across in starts]
    rows = b"".join(b"\0" + _packed(row, bits, ">") for part in passes if part.size for row in part)
    head = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, interlaced)
    content = b"".join(
        _chunk(*chunk)
        for chunk in [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    return path


def _chunk(name: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


def write_tiff(
    path: Path,
    samples: Array,
    *,
    bits: int,
    photometric: int | None,
    sample_format: int = 1,
    order: str = "<",
    tags: dict[int, Sequence[int] | bytes] | None = None,
    deflate: bool = False,
) -> Path:
    """Write a TIFF of one strip; a float sample is given as the number that it is.

    Args:
        path: the file.
        samples: (H, W) or (H, W, bands).
        bits: bits of one sample.
        photometric: what 0 means: 0 white, 1 black, 2 RGB, 3 palette; None leaves the tag out.
        sample_format: 1 unsigned, 2 signed, 3 float.
        order: "<" for little endian, ">" for big endian.
        tags: further tags, numbers as SHORT and bytes as ASCII.
        deflate: compress the strip.
    """
    tags = tags or {}
    bands = 1 if samples.ndim == 2 else samples.shape[2]
    split = tags.get(284) == [2] and samples.ndim == 3
    planes = [samples[..., i] for i in range(bands)] if split else [samples]
    if sample_format == 3:
        strips = [samples.astype(f"{order}f{bits // 8}").tobytes()]
    else:
        strips = [b"".join(_packed(row, bits, order) for row in plane) for plane in planes]
    if tags.get(266) == [2]:
        strips = [_mirrored(strip) for strip in strips]
    if deflate:
        strips = [zlib.compress(strip) for strip in strips]
    offsets = [8 + sum(map(len, strips[:i])) for i in range(len(strips))]
    found: dict[int, Any] = {
        256: [samples.shape[1]], 257: [samples.shape[0]], 258: [bits] * bands, 259: [8 if deflate else 1],
        273: offsets, 277: [bands], 278: [samples.shape[0]], 279: list(map(len, strips)),
        339: [sample_format] * bands, **tags,
    }  # fmt: skip
    if photometric is not None:
        found[262] = [photometric]
    data = b"".join(strips)
    entries, beyond = [], b""
    table_at = 8 + len(data)
    for tag, value in sorted(found.items()):
        text = isinstance(value, bytes)
        packed = value if isinstance(value, bytes) else struct.pack(f"{order}{len(value)}H", *value)
        field = packed.ljust(4, b"\0")
        if len(packed) > 4:
            field = struct.pack(f"{order}I", table_at + 2 + 12 * len(found) + 4 + len(beyond))
            beyond += packed
        entries.append(struct.pack(f"{order}HHI", tag, 2 if text else 3, len(value)) + field)
    table = struct.pack(f"{order}H", len(entries)) + b"".join(entries) + bytes(4)
    mark = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HI", 42, table_at)
    path.write_bytes(mark + data + table + beyond)
    return path


def write_bmp(
    path: Path,
    samples: Array,
    *,
    bits: int,
    palette: Sequence[Sequence[int]] = (),
    rle: bool = False,
) -> Path:
    """Write a BMP: indexes (H, W) with a palette, or (H, W, 3) of RGB, or (H, W, 4) with alpha."""
    bottom_up = samples[::-1]
    masks, compression = b"", 0
    if rle:  # runs of one pixel; 4-bit runs hold their value in the upper half
        compression, shift = (1, 0) if bits == 8 else (2, 4)
        runs = [b"".join(bytes((1, int(v) << shift)) for v in row) for row in bottom_up]
        data = b"\0\0".join(runs) + b"\0\0\0\1"
    else:
        rows = bottom_up if samples.ndim == 2 else bottom_up[..., [2, 1, 0, 3][: samples.shape[2]]]
        if bits == 32 and samples.shape[2] == 3:
            rows = np.concatenate([rows, np.zeros_like(rows[..., :1])], axis=2)
        depth = bits if samples.ndim == 2 else 8
        data = b"".join(_padded(_packed(row, depth, "<")) for row in rows)
    if samples.ndim == 3 and samples.shape[2] == 4:
        compression = 3
        masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + bytes(52)
    colours = b"".join(bytes((blue, green, red, 0)) for red, green, blue in palette)
    size = 108 if masks else 40
    start = 14 + size + len(colours)
    height, width = samples.shape[:2]
    info = struct.pack(
        "<IiiHHIIiiII", size, width, height, 1, bits, compression, len(data), 0, 0, len(palette), 0
    )
    path.write_bytes(
        b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + info + masks + colours + data
    )
    return path


def _packed(row: Array, bits: int, order: str) -> bytes:
    """Return one row of samples; those below a byte share bytes, the first in the upper bits."""
    if bits in {8, 16, 32}:
        return row.astype(np.int64).astype(f"{order}u{bits // 8}").tobytes()
    spread = (row.reshape(-1, 1).astype(np.int64) >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(spread.reshape(-1).astype(bool)).tobytes()


def _padded(row: bytes) -> bytes:
    return row + bytes(-len(row) % 4)


def _mirrored(content: bytes) -> bytes:
    spread = np.unpackbits(np.frombuffer(content, np.uint8)).reshape(-1, 8)
    return np.packbits(spread[:, ::-1]).tobytes()
