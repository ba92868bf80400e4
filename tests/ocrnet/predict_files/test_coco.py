"""The COCO file, decoded by the reader of annotations: every mask is that of the label map."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ocrnet.data.decode import write_label_map
from ocrnet.predict_files.coco import CocoImage, write_coco
from ocrnet.raw.annotations.rasterize import Region, Runs, covered_by
from tests.ocrnet.conftest import CLASSES


def decode(segmentation: dict[str, Any]) -> np.ndarray:
    """Fill a mask by the reader of annotations."""
    height, width = segmentation["size"]
    runs = Runs(segmentation["counts"], (height, width))
    return covered_by(Region("", runs=runs), (height, width))


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
