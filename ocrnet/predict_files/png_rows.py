"""PNG files that are written from top to bottom, so that the image is never whole in memory."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from ocrnet.data.files import whole_file
from ocrnet.data.manifest import ClassTable

START = b"\x89PNG\r\n\x1a\n"
RGB, PALETTE = 2, 3  # colour types
LEVEL = {RGB: 1, PALETTE: 6}  # of zlib: photographs hardly shrink further, label maps do
WHITE = 255


class PngRows:
    """A PNG file of 8 bits that gets its rows one after the other."""

    def __init__(self, file: BinaryIO, kind: int) -> None:
        self._file = file
        self._packer = zlib.compressobj(LEVEL[kind])

    def write(self, rows: npt.NDArray[np.uint8]) -> None:
        """Write the next rows: ids (h, W), or RGB (h, W, 3)."""
        flat = rows.reshape(len(rows), -1)
        # Each row begins with the number of its filter: 0, none.
        plain = np.pad(flat, ((0, 0), (1, 0)))
        self._put(self._packer.compress(plain.tobytes()))

    def finish(self) -> None:
        """Write what is left, and the end of the file."""
        self._put(self._packer.flush())
        write_chunk(self._file, b"IEND", b"")

    def _put(self, packed: bytes) -> None:
        if packed:
            write_chunk(self._file, b"IDAT", packed)


@contextmanager
def png_rows(
    path: Path, size: tuple[int, int], *, classes: ClassTable | None = None
) -> Iterator[PngRows]:
    """Open a PNG file for its rows; the file is there only if the block succeeds.

    Args:
        path: Path of the file.
        size: Height and width, in pixels.
        classes: Class table whose palette a label map gets, with ignored pixels in white; None writes RGB.
    """
    kind = RGB if classes is None else PALETTE
    with whole_file(path) as partial, partial.open("wb") as file:
        file.write(START)
        header = struct.pack(">IIBBBBB", size[1], size[0], 8, kind, 0, 0, 0)
        write_chunk(file, b"IHDR", header)
        if classes is not None:
            write_chunk(file, b"PLTE", palette_of(classes).tobytes())
        rows = PngRows(file, kind)
        yield rows
        rows.finish()


def palette_of(classes: ClassTable) -> npt.NDArray[np.uint8]:
    """Return the colours (256, 3) of all ids: those of the classes, and white for ignored pixels."""
    colours = np.zeros((256, 3), dtype=np.uint8)
    colours[: classes.num_classes] = classes.palette
    colours[classes.ignore_index] = WHITE
    return colours


def write_chunk(file: BinaryIO, name: bytes, content: bytes) -> None:
    """Write a chunk of a PNG file."""
    file.write(struct.pack(">I", len(content)) + name + content)
    file.write(struct.pack(">I", zlib.crc32(name + content)))
