"""An image that is too large is refused by what its header says, whatever its format, before memory is taken for it."""

import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocrnet.config import DataParams
from ocrnet.data.decode import read_image, read_pixels, read_raw_label_map, scale_to_uint8
from ocrnet.data.headers import TooLargeError, first_size
from ocrnet.errors import DataError
from ocrnet.raw.scan import scan
from ocrnet.raw.sources import RawItem, Roots
from tests.base_params import section_with

SIDE = 13_300
LIMIT = 25_000_000


def png(path: Path, *, depth: int = 8, colour: int = 2) -> None:
    """Write a PNG whose header names a large picture, with a few rows of it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", SIDE, SIDE, depth, colour, 0, 0, 0)
    rows = zlib.compress(bytes(1000))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def png16(path: Path) -> None:
    png(path, depth=16)


def png_of_two_headers(path: Path) -> None:
    """Write a deep PNG whose second header, which Pillow believes, names a small picture."""
    png(path, depth=16)
    content = path.read_bytes()
    small = b"IHDR" + struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + small + struct.pack(">I", zlib.crc32(small))
    path.write_bytes(content[:33] + chunk + content[33:])


def bmp(path: Path) -> None:
    head = struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 24, 0, 0, 2835, 2835, 0, 0)
    path.write_bytes(b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + head)


def jpeg(path: Path) -> None:
    Image.new("L", (16, 16)).save(path, "JPEG")
    content = bytearray(path.read_bytes())
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = struct.pack(">HH", SIDE, SIDE)
    path.write_bytes(content)


def webp(path: Path) -> None:
    extended = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (SIDE - 1).to_bytes(3, "little") * 2
    path.write_bytes(b"RIFF" + struct.pack("<I", len(extended) + 4) + b"WEBP" + extended)


def tiff(path: Path, width: int = SIDE, **tags: int) -> None:
    known = {"width": 256, "height": 257, "tile_width": 322, "tile_height": 323}
    values = {258: 8, 259: 1, 262: 1, 277: 1, 256: width, 257: width}
    values |= {known[name]: value for name, value in tags.items()}
    values |= {324: 8, 325: 64} if "tile_width" in tags else {273: 8, 278: 16, 279: 64}
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(values.items())]
    body = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + body + bytes(64))


def tiled(path: Path) -> None:
    """Write a picture of 16 x 16 in one tile that is larger than any picture."""
    tiff(path, width=16, tile_width=60_000, tile_height=60_000)


@pytest.mark.parametrize("write", [png, png16, png_of_two_headers, bmp, jpeg, webp, tiff, tiled])
@pytest.mark.parametrize("read", [read_image, read_raw_label_map, read_pixels])
def test_it_is_refused_by_its_header(
    tmp_path: Path, write: Callable[[Path], None], read: Callable[..., object]
) -> None:
    path = tmp_path / "large"
    write(path)
    tracemalloc.start()
    with pytest.raises(
        TooLargeError, match=r"E124 .*large: \d+ x \d+ pixels, allowed are 25000000"
    ):
        read(path, max_pixels=LIMIT)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("format_", ["PNG", "WEBP", "BMP", "TIFF", "JPEG"])
def test_the_limit_itself_is_allowed(tmp_path: Path, format_: str) -> None:
    path = tmp_path / "a"
    Image.new("RGB", (30, 20)).save(path, format_)
    assert read_image(path, max_pixels=600).shape == (20, 30, 3)
    with pytest.raises(TooLargeError):
        read_image(path, max_pixels=599)


@pytest.mark.parametrize(
    "options", [{"lossless": True}, {"lossless": False}, {"exif": b"Exif\0\0x"}]
)
def test_the_size_of_a_webp_is_that_of_pillow(tmp_path: Path, options: dict[str, object]) -> None:
    Image.new("RGB", (301, 77)).save(tmp_path / "a.webp", **options)  # type: ignore[arg-type]
    assert first_size(tmp_path / "a.webp") == (77, 301)


def test_a_format_that_may_run_a_program_is_not_opened(tmp_path: Path) -> None:
    """Pillow hands PostScript to ghostscript, whatever the name of the file says."""
    Image.new("RGB", (8, 8)).save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"E121 .*a\.png cannot be read"):
        read_image(tmp_path / "a.png")


def test_text_that_unpacks_without_end_is_not_unpacked(tmp_path: Path) -> None:
    from PIL import PngImagePlugin

    info = PngImagePlugin.PngInfo()
    info.add_text("a", "x" * (200 << 20), zip=True)
    Image.new("L", (8, 8)).save(tmp_path / "a.png", pnginfo=info)
    tracemalloc.start()
    with pytest.raises(DataError, match="E121"):
        read_image(tmp_path / "a.png")
    assert tracemalloc.get_traced_memory()[1] < 32 << 20
    tracemalloc.stop()


def test_scaling_takes_no_more_than_what_it_is_given() -> None:
    pixels = np.random.default_rng(0).integers(0, 4096, (3000, 2001, 3)).astype(np.uint16)
    whole = np.clip(np.rint((pixels.astype(np.float64) - 100) * (255.0 / 3900)), 0, 255)
    tracemalloc.start()
    scaled = scale_to_uint8(pixels, (100, 4000))
    assert tracemalloc.get_traced_memory()[1] < 3 * pixels.nbytes
    tracemalloc.stop()
    assert (scaled == whole).all()


def test_the_scan_tells_size_and_goes_on(tmp_path: Path) -> None:
    for name in ("a", "b"):
        png(tmp_path / f"{name}.png")
        Image.new("L", (8, 8)).save(tmp_path / f"{name}_map.png")
    Image.new("L", (8, 8)).save(tmp_path / "b.png")
    items = [
        RawItem(
            name, tmp_path / f"{name}.png", tmp_path / f"{name}_map.png", split=None, group=name
        )
        for name in ("a", "b")
    ]
    data = section_with(DataParams, source="folder", path=str(tmp_path), classes=("floor", "dot"))
    table = scan(items, data, roots=Roots(tmp_path, tmp_path)).set_index("id")
    assert table.loc["a", "pixels"] == SIDE * SIDE
    assert table["image_error"].tolist() == ["", ""] or table["image_error"].isna().all()
    assert table.loc["b", "pixels"] == 64


def test_a_raised_limit_stays_below_that_of_pillow() -> None:
    assert Image.MAX_IMAGE_PIXELS is not None
    with pytest.raises(ValueError, match="max_pixels"):
        section_with(DataParams, source="demo", path="x", classes=("a", "b"), max_pixels=10**9)
