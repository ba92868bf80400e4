"""The decoder matrix: which file is read as which array."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from ocrnet.data.decode import (
    read_image,
    read_label_map,
    read_raw_label_map,
    scale_to_uint8,
    write_image,
    write_label_map,
)
from ocrnet.errors import DataError
from ocrnet.raw.label_maps import voc_palette
from tests.ocrnet.raw.raw_sets import noise, save

IDS = np.array([[0, 1], [2, 255]], dtype=np.uint8)


def palette_png(path: Path) -> None:
    image = Image.fromarray(IDS)
    image.putpalette([channel for colour in voc_palette(256) for channel in colour])
    image.save(path)


LABEL_FILES = {
    "palette": (palette_png, IDS),
    "gray": (lambda path: save(path, IDS), IDS),
    "1-bit": (lambda path: save(path, IDS.astype(bool)), (IDS > 0).astype(np.uint8)),
    "16-bit": (
        lambda path: save(path, IDS.astype(np.uint16) * 257),
        np.array([[0, 257], [514, 65535]]),
    ),
    "RGB": (
        lambda path: save(path, np.array(voc_palette(256), dtype=np.uint8)[IDS]),
        np.array(voc_palette(256))[IDS],
    ),
}


@pytest.mark.parametrize("kind", LABEL_FILES)
def test_a_label_map_is_read_as_its_author_stored_it(kind: str, tmp_path: Path) -> None:
    write, expected = LABEL_FILES[kind]
    write(tmp_path / "a.png")
    raw = read_raw_label_map(tmp_path / "a.png")
    assert not np.issubdtype(raw.dtype, np.bool_)
    np.testing.assert_array_equal(raw, expected)


def test_the_usual_wrong_ways_do_change_these_files(tmp_path: Path) -> None:
    """The matrix is worth a test only while other decoders get it wrong."""
    palette_png(tmp_path / "a.png")
    converted = np.array(Image.open(tmp_path / "a.png").convert("L"))
    by_opencv = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_GRAYSCALE)
    assert not np.array_equal(converted, IDS)
    assert by_opencv is not None
    assert not np.array_equal(np.asarray(by_opencv), IDS)


@pytest.mark.parametrize("mode", ["LA", "CMYK"])
def test_a_label_map_in_another_mode_is_refused(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    Image.new(mode, (3, 2)).save(path)
    with pytest.raises(DataError, match=f"E121 .*a.tif: a label map in mode {mode}"):
        read_raw_label_map(path)


def test_alpha_of_a_label_map_must_be_opaque(tmp_path: Path) -> None:
    pixels = np.full((2, 2, 4), 255, dtype=np.uint8)
    assert read_raw_label_map(save(tmp_path / "a.png", pixels)).shape == (2, 2, 3)
    pixels[0, 0, 3] = 254
    with pytest.raises(DataError, match="transparent"):
        read_raw_label_map(save(tmp_path / "b.png", pixels))


def test_a_label_map_of_fractions_is_refused(tmp_path: Path) -> None:
    whole = np.array([[0, 3]], dtype=np.float32)
    assert read_raw_label_map(save(tmp_path / "a.tif", whole)).tolist() == [[0, 3]]
    with pytest.raises(DataError, match="fractions"):
        read_raw_label_map(save(tmp_path / "b.tif", whole + np.float32(0.5)))


def test_canonical_files_come_back_as_they_were(tmp_path: Path) -> None:
    image = noise(0)
    write_image(tmp_path / "image.png", image)
    np.testing.assert_array_equal(read_image(tmp_path / "image.png"), image)
    write_label_map(tmp_path / "ids.png", IDS, palette=voc_palette(3), ignore_index=255)
    np.testing.assert_array_equal(read_label_map(tmp_path / "ids.png"), IDS)
    shown = np.array(Image.open(tmp_path / "ids.png").convert("RGB"))
    assert shown.tolist() == [
        [[0, 0, 0], [128, 0, 0]],
        [[0, 128, 0], [255, 255, 255]],
    ]  # VOC colours, ignore white


def test_a_coloured_file_is_no_canonical_label_map(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no canonical label map"):
        read_label_map(save(tmp_path / "a.png", noise(0)))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "LA", "1"])
def test_any_8_bit_image_becomes_rgb(mode: str, tmp_path: Path) -> None:
    red = Image.new("RGB", (4, 3), (200, 10, 30))
    image = red.convert(mode, dither=Image.Dither.NONE)
    image.save(tmp_path / "a.png")
    expected = {"L": (69, 69, 69), "LA": (69, 69, 69), "1": (0, 0, 0)}.get(mode, (200, 10, 30))
    pixels = read_image(tmp_path / "a.png")
    assert pixels.shape == (3, 4, 3)
    tolerance = 25 if mode == "P" else 0  # the nearest colour of the web palette
    assert np.abs(pixels.astype(int) - expected).max() <= tolerance


def test_16_bit_gray_takes_the_value_range(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", np.array([[0, 1000], [2000, 4095]], dtype=np.uint16))
    words = (
        r"E109 .*a.png is uint16, range 0-4095.*set data.value_range: \[0, 4095\]; a bundle keeps"
    )
    with pytest.raises(DataError, match=words):
        read_image(path)
    pixels = read_image(path, value_range=(1000, 2000))
    assert pixels[..., 0].tolist() == [[0, 0], [255, 255]]
    assert read_image(path, value_range=(0, 4000))[..., 1].tolist() == [[0, 64], [128, 255]]


@pytest.mark.parametrize("extension", ["png", "tif"])
def test_16_bit_colour_keeps_its_depth_and_channel_order(extension: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{extension}"
    red_green_blue = np.array([[[300, 200, 100]]], dtype=np.uint16)
    cv2.imwrite(str(path), red_green_blue[..., ::-1])
    # An 8-bit reading would see 1, 0, 0 and give one grey level at most.
    assert read_image(path, value_range=(0, 510)).tolist() == [[[150, 100, 50]]]
    with pytest.raises(DataError, match="E109"):
        read_image(path)


@given(low=st.floats(-1e4, 1e4), width=st.floats(1.0, 1e5))
def test_scaling_keeps_order_and_hits_both_ends(low: float, width: float) -> None:
    high = low + width
    values = np.linspace(low - width, high + width, 301)
    scaled = scale_to_uint8(values, (low, high)).astype(int)
    assert (np.diff(scaled) >= 0).all()
    assert scale_to_uint8(np.array([low, high]), (low, high)).tolist() == [0, 255]


def rotated_jpeg(path: Path, orientation: int) -> npt.NDArray[Any]:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(noise(1, (6, 10, 3))).save(path, exif=exif)
    with Image.open(path) as image:
        return np.array(ImageOps.exif_transpose(image))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_rotation_agrees_with_pillow(orientation: int, tmp_path: Path) -> None:
    upright = rotated_jpeg(tmp_path / "a.jpg", orientation)
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg", exif="apply"), upright)
    assert read_image(tmp_path / "a.jpg", exif="ignore").shape == (6, 10, 3)


def test_a_rotation_flag_is_refused_by_default(tmp_path: Path) -> None:
    rotated_jpeg(tmp_path / "a.jpg", 6)
    with pytest.raises(DataError, match=r"E108 .*a.jpg has EXIF orientation 6"):
        read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
@pytest.mark.parametrize("kept", [0.5, 0.0])
def test_a_truncated_file_is_named(name: str, kept: float, tmp_path: Path) -> None:
    path = save(tmp_path / name, noise(0, (64, 64, 3)))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    for read in (read_image, read_raw_label_map):
        with pytest.raises(DataError, match=f"E121 .*{name} cannot be read"):
            read(path)


def test_what_is_no_single_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"E121 .*none.png: no such file"):
        read_image(tmp_path / "none.png")
    first = Image.new("L", (2, 2))
    first.save(tmp_path / "two.tif", save_all=True, append_images=[Image.new("L", (2, 2))])
    with pytest.raises(DataError, match="has 2 frames"):
        read_image(tmp_path / "two.tif")
    Image.new("CMYK", (2, 2)).save(tmp_path / "a.jpg")
    with pytest.raises(DataError, match="mode CMYK"):
        read_image(tmp_path / "a.jpg")
    with pytest.raises(DataError, match="not finite"):
        read_image(save(tmp_path / "nan.tif", np.array([[np.nan, 1]], dtype=np.float32)))
