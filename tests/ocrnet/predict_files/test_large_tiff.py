"""TIFF files read by rows: the pixels are those of the whole file, in every layout; what cannot be read is told."""

import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from ocrnet.bundles.card import Decoding
from ocrnet.data.decode import read_image
from ocrnet.errors import DataError
from ocrnet.predict_files import large_tiff
from ocrnet.predict_files.large_tiff import LargeTiff, tiff_size

from .tiff_files import write_tiled

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (203, 150, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 60_000, (203, 150, 3), dtype=np.uint16)
SMOOTH = cv2.GaussianBlur(COLOURS, (0, 0), 4)


def save(path: Path, image: np.ndarray, **options: Any) -> None:
    Image.fromarray(image).save(path, format="TIFF", **options)


LAYOUTS: dict[str, Callable[[Path], object]] = {
    "uncompressed strips": lambda path: save(path, COLOURS, tiffinfo={278: 7}),
    "one uncompressed strip": lambda path: save(path, COLOURS, tiffinfo={278: 203}),
    "one strip of a gray image": lambda path: save(path, COLOURS[..., 0], tiffinfo={278: 203}),
    "LZW": lambda path: save(path, COLOURS, compression="tiff_lzw", tiffinfo={278: 16}),
    "LZW with a predictor": lambda path: save(
        path, COLOURS, compression="tiff_lzw", tiffinfo={278: 16, 317: 2}
    ),
    "deflate in BigTIFF": lambda path: save(
        path, COLOURS, compression="tiff_adobe_deflate", big_tiff=True, tiffinfo={278: 16}
    ),
    "JPEG": lambda path: save(path, SMOOTH, compression="jpeg", tiffinfo={278: 16}),
    "palette": lambda path: Image.fromarray(COLOURS).quantize(16).save(path, tiffinfo={278: 9}),
    "bits": lambda path: Image.fromarray(COLOURS[..., 0] > 99).save(path, compression="group4", tiffinfo={278: 8}),
    "tiles": lambda path: write_tiled(path, COLOURS, tile=(32, 48)),
    "big-endian tiles": lambda path: write_tiled(path, COLOURS, tile=(16, 160), order=">"),
    "deep tiles": lambda path: write_tiled(path, DEEP, tile=(64, 64)),
    "deep big-endian tiles": lambda path: write_tiled(path, DEEP, tile=(64, 64), order=">"),
    "deep strips": lambda path: cv2.imwrite(str(path), DEEP[..., ::-1]),
    "deep gray": lambda path: save(path, DEEP[..., 0], tiffinfo={278: 5}),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_part_has_the_pixels_of_the_whole_file(tmp_path: Path, layout: str) -> None:
    path = tmp_path / "large.tif"
    LAYOUTS[layout](path)
    decoding = Decoding(value_range=(0.0, 60_000.0))
    whole = read_image(path, value_range=decoding.value_range)
    rows = LargeTiff(path, decoding)
    assert (rows.height, rows.width) == whole.shape[:2] == tiff_size(path)
    for top, bottom in ((0, 203), (0, 1), (30, 100), (63, 65), (199, 203)):
        assert np.array_equal(rows.read(top, bottom), whole[top:bottom]), (top, bottom)


def test_a_file_that_cannot_be_read_in_parts_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.tif"
    write_tiled(path, COLOURS, tile=(32, 48), t274=6)
    with pytest.raises(DataError, match="rotation flag, and is too large to be turned"):
        LargeTiff(path, Decoding())
    assert LargeTiff(path, Decoding(exif="ignore")).height == 203
    write_tiled(path, COLOURS, tile=(32, 48), t284=2)
    with pytest.raises(DataError, match="separate planes"):
        LargeTiff(path, Decoding())
    first, *others = [Image.fromarray(COLOURS)] * 3
    first.save(path, save_all=True, append_images=others)
    with pytest.raises(DataError, match="has 3 frames"):
        LargeTiff(path, Decoding())
    monkeypatch.setattr(large_tiff, "MAX_PIXELS", 150 * 100)
    save(path, COLOURS, compression="tiff_lzw", tiffinfo={278: 203})
    with pytest.raises(DataError, match=r"blocks of 203 rows.*tiles of 512 x 512"):
        LargeTiff(path, Decoding())


def test_a_damaged_file_is_one_line_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "large.tif"
    write_tiled(path, COLOURS, tile=(32, 48))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - 30])
    with pytest.raises(DataError, match=r"large\.tif cannot be read"):
        LargeTiff(path, Decoding())
    path.write_bytes(content[:300] + bytes(400) + content[700:])
    with pytest.raises(DataError, match=r"large\.tif, rows 0 to 203, cannot be read"):
        LargeTiff(path, Decoding()).read(0, 203)


@pytest.mark.parametrize("cut", [4, 9, 20])
def test_a_directory_of_random_bytes_allocates_nothing(tmp_path: Path, cut: int) -> None:
    """A tag that claims gigabytes is refused by the size of the file."""
    path = tmp_path / "large.tif"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for seed in range(30):
        noise = np.random.default_rng(seed).integers(0, 256, 400, dtype=np.uint8).tobytes()
        path.write_bytes(b"II*\0\x08\0\0\0"[:cut] + bytes([cut, 0]) + noise)
        assert tiff_size(path) is None or isinstance(tiff_size(path), tuple)
        with pytest.raises(DataError):
            LargeTiff(path, Decoding())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10
