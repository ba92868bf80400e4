"""What an image holds beyond red, green and blue: transparent pixels and further bands, at 8 and at 16 bits."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ocrnet.data.decode import read_image, read_picture
from ocrnet.errors import DataError
from tests.ocrnet.data.format_cases import PILLOW_13
from tests.ocrnet.data.raw_files import Array, values, write_png, write_tiff
from tests.ocrnet.raw.raw_sets import save

COLOUR, HIDDEN = (200, 100, 40), (9, 250, 7)
# An opaque pixel, a half transparent one (51 of 255: a fifth), and one that hides its colour.
SAMPLES = np.array([[[*COLOUR, 255], [*COLOUR, 51], [*HIDDEN, 0]]])
SEEN = {
    "ignore": [COLOUR, COLOUR, HIDDEN],
    "black": [COLOUR, (40, 20, 8), (0, 0, 0)],
    "white": [COLOUR, (244, 224, 212), (255, 255, 255)],
}
GRAY = SAMPLES[..., [0, 3]]


def multiplied() -> Array:
    """Return the samples with colours times alpha, as TIFF's associated alpha stores them."""
    found = SAMPLES.copy()
    found[..., :3] = np.rint(found[..., :3] * (found[..., 3:] / 255))
    return found


def put(folder: Path, kind: str, bits: int) -> Path:
    step = 257 if bits == 16 else 1
    if kind == "PNG":
        return write_png(folder / "a.png", SAMPLES * step, bits=bits, colour_type=6)
    if kind == "PNG gray":
        return write_png(folder / "a.png", GRAY * step, bits=bits, colour_type=4)
    tag, samples = (2, SAMPLES) if kind == "TIFF" else (1, multiplied())
    return write_tiff(folder / "a.tif", samples * step, bits=bits, photometric=2, tags={338: [tag]})


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "TIFF, multiplied", "PNG gray"])
@pytest.mark.parametrize("alpha", SEEN)
def test_transparent_pixels_are_what_the_param_says(
    alpha: Any, kind: str, bits: int, tmp_path: Path
) -> None:
    path = put(tmp_path, kind, bits)
    with pytest.raises(DataError, match=r"E111 .*a.* has 2 transparent pixels.*data.alpha"):
        read_image(path, value_range=(0, 65535))
    pixels = read_image(path, value_range=(0, 65535), alpha=alpha)[0].tolist()
    expected = [list(colour) for colour in SEEN[alpha]]
    if kind == "PNG gray":
        expected = [[colour[0]] * 3 for colour in expected]
    if kind == "TIFF, multiplied" and alpha == "ignore":
        expected[2] = [0, 0, 0]  # nothing is hidden where colours were multiplied by 0
    assert np.abs(np.subtract(pixels, expected)).max() <= (1 if kind == "TIFF, multiplied" else 0)


def test_opaque_alpha_changes_nothing_and_is_no_finding(tmp_path: Path) -> None:
    samples = values(8, 4)
    samples[..., 3] = 255
    path = write_png(tmp_path / "a.png", samples, bits=8, colour_type=6)
    for alpha in ("error", "ignore", "black", "white"):
        np.testing.assert_array_equal(read_image(path, alpha=alpha), samples[..., :3])


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_gray_value_that_a_png_calls_transparent_is_so(bits: int, tmp_path: Path) -> None:
    stored = values(bits)
    key = int(stored[2, 3])
    chunk = (b"tRNS", key.to_bytes(2, "big"))
    path = write_png(tmp_path / "a.png", stored, bits=bits, colour_type=0, chunks=[chunk])
    assert read_picture(path).transparent_pixels == int((stored == key).sum())
    shown = read_image(path, value_range=(0, 65535), alpha="white")
    assert (shown[stored == key] == 255).all()


def test_a_colour_of_a_palette_or_of_rgb_may_be_transparent(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1, 1]], dtype=np.uint8))
    image.putpalette([*HIDDEN, *COLOUR])
    image.save(tmp_path / "a.png", transparency=0)
    samples = np.array([[HIDDEN, COLOUR, COLOUR]])
    save(tmp_path / "b.png", samples.astype(np.uint8), transparency=HIDDEN)
    chunk = (b"tRNS", (samples[0, 0] * 257).astype(">u2").tobytes())
    write_png(tmp_path / "c.png", samples * 257, bits=16, colour_type=2, chunks=[chunk])
    for name in "abc":
        path = tmp_path / f"{name}.png"
        with pytest.raises(DataError, match="E111"):
            read_image(path, value_range=(0, 65535))
        seen = read_image(path, value_range=(0, 65535), alpha="black")
        assert seen[0].tolist() == [[0, 0, 0], list(COLOUR), list(COLOUR)]


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("tags", [{338: [0]}, {}])
def test_bands_beyond_colour_are_refused_or_dropped(
    tags: dict[int, Any], bits: int, tmp_path: Path
) -> None:
    samples = values(bits, 4)
    path = write_tiff(tmp_path / "a.tif", samples, bits=bits, photometric=2, tags=tags)
    high = (1 << bits) - 1
    with pytest.raises(DataError, match=r"E110 .*a.tif has 4 bands.*data.extra_bands"):
        read_image(path, value_range=(0, high))
    seen = read_image(path, value_range=(0, high), extra_bands="drop")
    np.testing.assert_array_equal(seen, np.rint(samples[..., :3] * (255 / high)))


def test_16_bit_colours_in_planes_which_opencv_mixes_are_refused(tmp_path: Path) -> None:
    for bands in (3, 4):
        path = write_tiff(
            tmp_path / "a.tif", values(16, bands), bits=16, photometric=2, tags={284: [2]}
        )
        with pytest.raises(DataError, match=r"E121 .*separate planes"):
            read_image(path, value_range=(0, 65535), extra_bands="drop")


@pytest.mark.skipif(not PILLOW_13, reason="Pillow 12 does not read it, so it is refused")
def test_a_second_band_of_a_gray_image_is_one_too(tmp_path: Path) -> None:
    samples = values(8, 2)
    path = write_tiff(tmp_path / "a.tif", samples, bits=8, photometric=1, tags={338: [0]})
    with pytest.raises(DataError, match=r"E110 .*has 2 bands"):
        read_image(path)
    seen = read_image(path, extra_bands="drop")
    np.testing.assert_array_equal(seen[..., 0], samples[..., 0])


def test_white_is_zero_is_inverted_for_pictures_of_any_depth(tmp_path: Path) -> None:
    for bits in (1, 2, 4, 8, 16):
        stored = values(bits)
        path = write_tiff(tmp_path / "a.tif", stored, bits=bits, photometric=0)
        high = (1 << bits) - 1
        seen = read_image(path, value_range=(0, 65535))[..., 0]
        np.testing.assert_array_equal(seen, np.rint((high - stored) * (255 / high)))


def test_signed_and_big_endian_pictures_keep_their_values(tmp_path: Path) -> None:
    for order in "<>":
        path = write_tiff(
            tmp_path / "a.tif", values(8, signed=True), bits=8, photometric=1, sample_format=2, order=order
        )  # fmt: skip
        with pytest.raises(DataError, match=r"E109 .* is int8, range -128-127"):
            read_image(path)
        deep = write_tiff(tmp_path / "b.tif", values(16), bits=16, photometric=1, order=order)
        assert read_picture(deep).pixels.dtype == np.dtype("=u2")
