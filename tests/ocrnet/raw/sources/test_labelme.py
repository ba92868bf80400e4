"""The source `labelme`: a file of annotations beside each image."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ocrnet.errors import DataError

from .annotated import SIZE, find, label_maps, write_images, write_json


def write_labelme(
    root: Path, shapes: list[dict[str, Any]], name: str = "a", **changes: Any
) -> None:
    write_images(root, f"{name}.png")
    content: dict[str, Any] = {
        "version": "5.5.0", "flags": {}, "shapes": [{"label": "cell", "group_id": None} | one for one in shapes],
        "imagePath": f"{name}.png", "imageData": None, "imageHeight": SIZE[0], "imageWidth": SIZE[1],
    }  # fmt: skip
    write_json(root / f"{name}.json", content | changes)


def drawn(root: Path, shapes: list[dict[str, Any]], **changes: Any) -> np.ndarray:
    write_labelme(root, shapes, **changes)
    items, inventory = find(root, "labelme")
    assert not inventory.findings
    return label_maps(items)["a"]


SQUARE = np.zeros(SIZE, dtype=np.uint8)
SQUARE[1:3, 1:4] = 1


def mask_text() -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.full((2, 3), 255, dtype=np.uint8)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize(
    "shape",
    [
        {"points": [[1, 1], [4, 1], [4, 3], [1, 3]]},  # older versions have no shape_type
        {"points": [[1, 1], [4, 1], [4, 3], [1, 3]], "shape_type": "polygon"},
        {"points": [[4, 3], [1, 1]], "shape_type": "rectangle"},
        {"points": [[1, 1], [3, 2]], "shape_type": "mask", "mask": mask_text()},
    ],
)
def test_shapes_with_an_area_cover_it(tmp_path: Path, shape: dict[str, Any]) -> None:
    assert np.array_equal(drawn(tmp_path / "raw", [shape]), SQUARE)


def test_a_circle_covers_its_disc(tmp_path: Path) -> None:
    label_map = drawn(tmp_path / "raw", [{"points": [[8, 6], [8, 10]], "shape_type": "circle"}])
    assert label_map.sum() == pytest.approx(np.pi * 16, abs=6)
    rows, columns = label_map.nonzero()
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 9, 4, 11)


def test_a_mask_that_leaves_the_image_is_cut_off(tmp_path: Path) -> None:
    label_map = drawn(
        tmp_path / "raw", [{"points": [[14, 11], [16, 12]], "shape_type": "mask", "mask": mask_text()}]
    )  # fmt: skip
    assert label_map.sum() == 2


def test_lines_and_points_cover_nothing_and_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shapes = [
        {"points": [[1, 1]], "shape_type": "point"},
        {"points": [[1, 1], [2, 2]], "shape_type": "line"},
    ]
    assert not drawn(tmp_path / "raw", shapes).any()
    assert "1 shapes of type line" in caplog.text


@pytest.mark.parametrize(
    "shape",
    [
        {"points": [[1, 1], [2, 2]], "shape_type": "spiral"},
        {"points": [[1, 1], [2, 2]], "shape_type": "mask", "mask": "no base64!"},
        {"points": [[1, 1], [2, 2]], "shape_type": "mask", "mask": "AAAA"},
        {"points": [[1, 1]], "shape_type": "circle"},
    ],
)
def test_a_shape_that_cannot_be_drawn_is_a_finding(tmp_path: Path, shape: dict[str, Any]) -> None:
    root = tmp_path / "raw"
    write_labelme(root, [shape])
    write_labelme(root, [], name="b")
    _, inventory = find(root, "labelme")
    (finding,) = inventory.findings
    assert finding.startswith("E116 ")
    assert "a.png" in finding


def test_the_image_may_lie_beside_the_file_under_its_stem(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_labelme(root, [], imagePath="..\\old\\renamed.jpg")
    items, inventory = find(root, "labelme")
    assert [item.image.name for item in items] == ["a.png"]
    assert not inventory.findings


def test_folders_publish_a_split(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    for split in ("train", "val", "test"):
        write_labelme(root / split, [], name=f"a_{split}")
    items, _ = find(root, "labelme")
    assert {item.id: item.split for item in items} == {
        f"a_{s}": s for s in ("train", "val", "test")
    }


def test_a_missing_image_and_a_wrong_file_are_told(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_labelme(root, [])
    write_labelme(root, [], name="b")
    (root / "b.png").unlink()
    _, inventory = find(root, "labelme")
    assert ["E114 b.json: its image b.png" in one for one in inventory.findings] == [True]
    write_labelme(root, [], name="b", imageHeight="high")
    with pytest.raises(DataError, match=r"E116 b\.json: imageHeight"):
        find(root, "labelme")
