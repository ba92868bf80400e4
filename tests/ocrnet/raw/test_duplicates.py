"""Which pictures count as the same."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ocrnet.raw.duplicates import (
    MAX_BITS,
    contradiction_lines,
    copies_across,
    difference_hash,
    find_copies,
    gray_of,
    leak_lines,
    thumbnail,
)
from tests.ocrnet.raw.raw_sets import noise


def smooth(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return a picture with large structures, as a photograph has."""
    coarse = Image.fromarray(noise(seed, (6, 8, 3)))
    return np.array(coarse.resize((160, 120), Image.Resampling.BICUBIC))


def copies_of(pictures: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]) -> list[str]:
    grays = {name: gray_of(picture) for name, picture in pictures.items()}
    table = pd.DataFrame(
        {
            "id": list(pictures),
            "image_sha256": [str(hash(picture.tobytes())) for picture in pictures.values()],
            "dhash": [difference_hash(gray) for gray in grays.values()],
            "height": [float(gray.shape[0]) for gray in grays.values()],
            "width": [float(gray.shape[1]) for gray in grays.values()],
        }
    )
    return find_copies(table, {name: thumbnail(gray) for name, gray in grays.items()})


def test_gray_is_the_mean_of_the_channels() -> None:
    picture = np.array([[[0, 30, 90], [255, 255, 255]]], dtype=np.uint8)
    assert gray_of(picture).tolist() == [[40.0, 255.0]]
    assert gray_of(picture[..., 0]).tolist() == [[0.0, 255.0]]


def test_the_hash_of_a_ramp_is_all_ones_and_of_its_mirror_all_zeros() -> None:
    ramp = np.repeat(np.arange(90, dtype=np.float32)[None], 80, axis=0)
    assert difference_hash(ramp) == "f" * 16
    assert difference_hash(ramp[:, ::-1].copy()) == "0" * 16


@pytest.mark.parametrize("quality", [95, 60])
def test_a_picture_saved_as_jpeg_is_the_same(quality: int, tmp_path: Path) -> None:
    picture = smooth(1)
    Image.fromarray(picture).save(tmp_path / "a.jpg", quality=quality)
    again = np.array(Image.open(tmp_path / "a.jpg"))
    assert not np.array_equal(picture, again)
    assert copies_of({"a": picture, "b": smooth(2), "c": again}) == ["a", "", "a"]


def test_plain_pictures_are_no_copies_unless_their_bytes_are_equal() -> None:
    plain = np.full((40, 40, 3), 90, dtype=np.uint8)
    assert copies_of({"a": plain, "b": plain + np.uint8(1), "c": plain}) == ["a", "", "a"]


def test_plates_under_one_light_are_no_copies() -> None:
    """Their hashes agree, bit for bit; only the defect and the grain differ."""
    light = np.repeat(np.linspace(40, 200, 160)[None], 120, axis=0)
    plates = {}
    for seed in range(6):
        rng = np.random.default_rng(seed)
        plate = light + rng.normal(0, 2, light.shape)
        plate[20 * seed : 20 * seed + 12, 70:90] -= 60
        plates[str(seed)] = np.repeat(plate.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    hashes = {difference_hash(gray_of(plate)) for plate in plates.values()}
    bits = [int(text, 16) for text in hashes]
    assert max((one ^ other).bit_count() for one in bits for other in bits) <= MAX_BITS
    assert copies_of(plates) == [""] * 6


def test_equal_hash_at_another_size_is_another_picture() -> None:
    picture = smooth(3)
    half = np.array(Image.fromarray(picture).resize((80, 60), Image.Resampling.BOX))
    assert copies_of({"a": picture, "b": half}) == ["", ""]


def test_only_copies_in_another_split_are_leaks() -> None:
    table = pd.DataFrame(
        {
            "id": ["a", "b", "c", "d", "e"],
            "image": ["a.png", "b.png", "c.png", "d.png", "e.png"],
            "split": ["train", "train", "test", "val", "val"],
            "copy_of": ["a", "a", "a", "d", "d"],
        }
    )
    assert copies_across(table)["id"].tolist() == ["a", "b", "c"]
    assert leak_lines(table) == [
        "E113 2 images are in both train and test (e.g. a.png = c.png). "
        "Remove one of each from train or test, or set data.allow_duplicates: true to keep both."
    ]


def test_a_picture_that_is_labelled_in_two_ways_is_named_with_both_files() -> None:
    table = pd.DataFrame(
        {
            "id": ["a", "b", "c", "d", "e"],
            "image": ["a.png", "b.png", "c.png", "d.png", "e.png"],
            "label_map": ["m/a.png", "m/b.png", "m/c.png", "m/d.png", "m/e.png"],
            "copy_of": ["a", "a", "c", "c", ""],
            "label_pixels_sha256": ["1", "2", "3", "3", "4"],
        }
    )
    (line,) = contradiction_lines(table)
    for name in ("a.png", "b.png", "m/a.png", "m/b.png"):
        assert name in line
