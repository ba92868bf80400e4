"""The COCO file, decoded by a reader of its own: every mask is that of the label map."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrnet.data.decode import write_label_map
from ocrnet.prediction.coco import CocoImage, compress, run_lengths, write_coco
from tests.ocrnet.conftest import CLASSES

BLOCK = np.zeros((300, 400), bool)
BLOCK[17:250, 90:333] = True
BLOCK[40:60, 100] = False
BLOCK[299, 399] = True
# Texts that pycocotools 2.0.11 wrote: `mask.encode(np.asfortranarray(pixels))["counts"]`.
KNOWN = {
    "023O": np.array([[1, 0, 0], [1, 0, 1]], bool),
    "021O": np.array([[1, 0], [1, 1]], bool),
    "0`0": np.ones((4, 4), bool),
    "`0": np.zeros((4, 4), bool),
    "011" + "0" * 1331: np.indices((31, 43)).sum(axis=0) % 2 == 0,
    f"Y\\j0Y7S2{'0' * 18}^IaNW5_1[1{'0' * 462}bcc0hH": BLOCK,
}


def expand(text: str) -> list[int]:
    """Read run lengths from a text, character by character, as COCO's API does."""
    counts: list[int] = []
    value = shift = 0
    for group in (ord(one) - 48 for one in text):
        value |= (group & 31) << shift
        shift += 5
        if not group & 32:
            value -= (group & 16) << 1 << (shift - 5)  # the sign
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    return counts


def decode(segmentation: dict[str, Any]) -> np.ndarray:
    """Fill a mask run by run, as the format of COCO says: down the columns, first the pixels outside."""
    height, width = segmentation["size"]
    counts = expand(segmentation["counts"])
    values = [index % 2 for index, count in enumerate(counts) for _ in range(count)]
    assert len(values) == height * width
    mask = np.zeros((height, width), bool)
    for place, value in enumerate(values):
        mask[place % height, place // height] = value
    return mask


@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 2**49 - 1))
def test_run_lengths_are_those_of_the_mask(height: int, width: int, bits: int) -> None:
    mask = np.array([bits >> place & 1 for place in range(height * width)], bool)
    mask = mask.reshape(height, width)
    counts = run_lengths(mask)
    assert np.array_equal(decode({"size": [height, width], "counts": compress(counts)}), mask)
    assert all(count > 0 for count in counts[1:])


@pytest.mark.parametrize("text", KNOWN)
def test_the_text_is_that_of_pycocotools(text: str) -> None:
    assert compress(run_lengths(KNOWN[text])) == text


@given(st.lists(st.integers(1, 2**40), min_size=1, max_size=9))
def test_lengths_of_every_size_are_read_back(lengths: list[int]) -> None:
    assert expand(compress(np.array(lengths))) == lengths


def test_every_class_of_every_image_is_one_annotation(tmp_path: Path) -> None:
    maps = [np.zeros((9, 14), np.uint8), np.full((5, 6), 2, np.uint8)]
    maps[0][2:5, 3:9] = 1
    maps[0][8, 13] = 1  # a second piece
    images = []
    for index, label_map in enumerate(maps):
        path = tmp_path / f"{index}.png"
        write_label_map(path, label_map, palette=CLASSES.palette, ignore_index=255)
        images.append(CocoImage(f"photos/{index}.jpg", label_map.shape, path))
    write_coco(tmp_path / "coco.json", images, CLASSES)
    found = json.loads((tmp_path / "coco.json").read_text())
    assert [image["file_name"] for image in found["images"]] == ["photos/0.jpg", "photos/1.jpg"]
    assert [category["name"] for category in found["categories"]] == list(CLASSES.class_names)
    marks = [(item["image_id"], item["category_id"]) for item in found["annotations"]]
    assert marks == [(1, 1), (1, 2), (2, 3)]
    assert len({item["id"] for item in found["annotations"]}) == 3
    for item in found["annotations"]:
        mask = maps[item["image_id"] - 1] == item["category_id"] - 1
        assert np.array_equal(decode(item["segmentation"]), mask)
        assert item["area"] == mask.sum()
    assert found["annotations"][1]["bbox"] == [3, 2, 11, 7]


def test_a_file_without_images_is_valid(tmp_path: Path) -> None:
    write_coco(tmp_path / "coco.json", [], CLASSES)
    assert json.loads((tmp_path / "coco.json").read_text())["annotations"] == []
