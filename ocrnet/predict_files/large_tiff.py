"""TIFF files above the limit of a whole image, read by rows.

The blocks (strips or tiles) that hold some rows are written into a small TIFF file of their own, which is decoded like
any other image. So a part has the pixels that the whole file would have, for every compression and depth.
"""

import struct
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from jaxtyping import UInt8

from ocrnet.bundles.card import Decoding
from ocrnet.config.base import MAX_PIXELS, PILLOW_PIXELS
from ocrnet.data.decode import read_image
from ocrnet.errors import DataError
from ocrnet.predict_files.tiff_directory import BYTES, Directory, Tag, read_directory

WIDTH, HEIGHT, BITS, COMPRESSION, OFFSETS, ORIENTATION, SAMPLES = 256, 257, 258, 259, 273, 274, 277
STRIP_ROWS, SIZES, PLANES, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_SIZES = (
    278,
    279,
    284,
    322,
    323,
    324,
    325,
)
# What else changes the pixels: photometric, fill order, T4 and T6 options, predictor, palette, extra samples, format of
# samples, tables of JPEG, and colour space with its subsampling.
KEPT = (
    WIDTH, BITS, COMPRESSION, 262, 266, SAMPLES, PLANES, 292, 293, 317, 320, TILE_WIDTH, TILE_HEIGHT, 338, 339, 347,
    529, 530, 531, 532,
)  # fmt: skip
UNCOMPRESSED = 1
ROWS_AT_ONCE = 64  # of an uncompressed file whose strip is too large to read at once
_LONG = 4  # type of a tag


def tiff_size(path: Path) -> tuple[int, int] | None:
    """Return height and width of a TIFF file, in pixels; None for another or a damaged file."""
    try:
        directory = read_directory(path)
        if directory is None:
            return None
        return directory.number(HEIGHT, 0), directory.number(WIDTH, 0)
    except (ValueError, OSError, struct.error):
        return None  # the decoder says what is wrong


class LargeTiff:
    """A TIFF file that is read by rows, upright or with a rotation flag that is ignored.

    Attributes:
        height, width: Size in pixels.

    Raises:
        DataError: The file is damaged, has several images, a rotation flag, or blocks that are too large.
    """

    def __init__(self, path: Path, decoding: Decoding) -> None:
        self._path, self._decoding = path, decoding
        try:
            directory = read_directory(path)
            if directory is None:
                raise ValueError("not a TIFF file")
            self._read_layout(directory)
        except (ValueError, OSError, struct.error) as error:
            raise DataError(f"E121 {path} cannot be read ({error}). Export it again.") from error
        if fault := self._fault():
            raise DataError(f"E121 {path} {fault}")

    def read(self, top: int, bottom: int) -> UInt8[np.ndarray, "h W 3"]:
        """Return the rows from `top` to before `bottom` as RGB.

        Raises:
            DataError: A block is damaged, or its pixels need a setting that the model's card does not have.
        """
        first, last = top // self._block_rows, -(-bottom // self._block_rows)
        decoding = self._decoding
        with TemporaryDirectory(prefix="ocrnet-tiff-") as folder:
            part = Path(folder, "part.tif")
            self._write_part(part, first, last)
            try:
                image = read_image(
                    part, value_range=decoding.value_range, alpha=decoding.alpha,
                    extra_bands=decoding.extra_bands, max_pixels=PILLOW_PIXELS,
                )  # fmt: skip
            except DataError as error:
                place = f"{self._path}, rows {top} to {bottom},"
                raise DataError(str(error).replace(str(part), place)) from error
        start = first * self._block_rows
        return image[top - start : bottom - start]

    def _read_layout(self, directory: Directory) -> None:
        self._directory = directory
        self.width, self.height = directory.number(WIDTH, 0), directory.number(HEIGHT, 0)
        if not 0 < self.width < 1 << 31 or not 0 < self.height < 1 << 31:
            raise ValueError(f"its size is {self.width} x {self.height}")
        self._tiled = TILE_OFFSETS in directory.tags
        rows = directory.number(TILE_HEIGHT if self._tiled else STRIP_ROWS, self.height)
        self._block_rows = max(1, min(rows, 1 << 20 if self._tiled else self.height))
        self._offsets = directory.numbers(TILE_OFFSETS if self._tiled else OFFSETS)
        self._sizes = directory.numbers(TILE_SIZES if self._tiled else SIZES)
        tile_width = directory.number(TILE_WIDTH, 0) if self._tiled else self.width
        if tile_width < 1:
            raise ValueError(f"its tiles are {tile_width} pixels wide")
        self._across = -(-self.width // tile_width)
        if directory.number(COMPRESSION, 1) == UNCOMPRESSED and not self._tiled:
            self._split_strips()
        wanted = self._across * -(-self.height // self._block_rows)
        if (
            directory.number(PLANES, 1) == 1
            and not len(self._offsets) == len(self._sizes) == wanted
        ):
            raise ValueError(f"{len(self._offsets)} blocks, but its size needs {wanted}")
        file_size = self._path.stat().st_size
        ends = (start + size for start, size in zip(self._offsets, self._sizes, strict=False))
        if max(ends, default=0) > file_size:
            raise ValueError("its blocks end beyond the end of the file")

    def _split_strips(self) -> None:
        """Cut one large uncompressed strip into strips of a few rows, which it is made of."""
        if len(self._offsets) != 1 or self._block_rows <= ROWS_AT_ONCE:
            return
        bits = sum(self._directory.numbers(BITS) or [1])
        row = -(-self.width * bits // 8)
        if self._sizes[:1] != [row * self.height]:
            raise ValueError(
                f"its strip has {self._sizes[:1]} bytes, its pixels {row * self.height}"
            )
        start, self._block_rows = self._offsets[0], ROWS_AT_ONCE
        tops = range(0, self.height, ROWS_AT_ONCE)
        self._offsets = [start + top * row for top in tops]
        self._sizes = [min(ROWS_AT_ONCE, self.height - top) * row for top in tops]

    def _fault(self) -> str | None:
        """Return why the file cannot be read by rows, with the cure; None if it can."""
        directory = self._directory
        if directory.images != 1:
            return f"has {directory.images} frames. Export one image per file."
        if directory.number(ORIENTATION, 1) != 1 and self._decoding.exif != "ignore":
            return "has a rotation flag, and is too large to be turned. Export it upright."
        if directory.number(PLANES, 1) != 1:
            return "has its colours in separate planes. Export it with the colours of a pixel together, in tiles."
        pixels = self._block_rows * self.width
        if pixels > MAX_PIXELS:
            return (
                f"is stored in blocks of {self._block_rows} rows, {pixels} pixels, allowed are {MAX_PIXELS}. Export "
                "it in tiles of 512 x 512."
            )
        return None

    def _write_part(self, path: Path, first: int, last: int) -> None:
        """Write the rows of blocks from `first` to before `last` as a TIFF file."""
        blocks = slice(first * self._across, last * self._across)
        sizes = self._sizes[blocks]
        height = min(last * self._block_rows, self.height) - first * self._block_rows
        starts = np.cumsum([8, *sizes])  # after the head of the file
        tags = {
            number: self._directory.tags[number]
            for number in KEPT
            if number in self._directory.tags
        }
        tags[HEIGHT] = self._longs([height])
        if not self._tiled:
            tags[STRIP_ROWS] = self._longs([self._block_rows])
        tags[TILE_OFFSETS if self._tiled else OFFSETS] = self._longs(starts[:-1].tolist())
        tags[TILE_SIZES if self._tiled else SIZES] = self._longs(sizes)
        order = self._directory.order
        with self._path.open("rb") as source, path.open("wb") as file:
            file.write(
                {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HI", 42, int(starts[-1]))
            )
            for start, size in zip(self._offsets[blocks], sizes, strict=True):
                source.seek(start)
                file.write(source.read(size))
            file.write(_directory_bytes(tags, order, int(starts[-1])))

    def _longs(self, values: list[int]) -> Tag:
        order = self._directory.order
        return Tag(_LONG, len(values), struct.pack(f"{order}{len(values)}I", *values))


def _directory_bytes(tags: dict[int, Tag], order: str, place: int) -> bytes:
    """Return a directory of a classic TIFF file that is at `place`, with the values behind it."""
    entries, values = struct.pack(f"{order}H", len(tags)), b""
    behind = place + 2 + 12 * len(tags) + 4
    for number, tag in sorted(tags.items()):
        kind, content = tag.kind, tag.content
        if BYTES.get(kind) == 8 and kind in (16, 18):  # a classic file has no numbers of 64 bits
            kind = _LONG
            content = struct.pack(f"{order}{tag.count}I", *struct.unpack(f"{order}{tag.count}Q", content))  # fmt: skip
        entries += struct.pack(f"{order}HHI", number, kind, tag.count)
        if len(content) <= 4:
            entries += content.ljust(4, b"\0")
        else:
            entries += struct.pack(f"{order}I", behind + len(values))
            values += content + b"\0" * (len(content) % 2)
    return entries + struct.pack(f"{order}I", 0) + values
