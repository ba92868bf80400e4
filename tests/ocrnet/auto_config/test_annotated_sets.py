"""What `ocrnet init` finds in sets with annotations, and in published layouts."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ocrnet.auto_config.found_set import find_set
from ocrnet.auto_config.layout import detect_source
from ocrnet.errors import DataError
from tests.base_params import full_values
from tests.ocrnet.raw.raw_sets import save, write_pairs
from tests.ocrnet.raw.sources.annotated import SIZE
from tests.ocrnet.raw.sources.coco_sets import write_set
from tests.ocrnet.raw.sources.test_cityscapes import write_cityscapes
from tests.ocrnet.raw.sources.test_labelme import write_labelme
from tests.ocrnet.raw.sources.test_voc import write_voc
from tests.ocrnet.raw.sources.test_yolo import OUTLINE, write_yolo

BOX = [1.0, 1.0, 4.0, 1.0, 4.0, 3.0, 1.0, 3.0]
POINTS = [[1, 1], [4, 1], [4, 3]]
LAYOUTS: dict[str, Callable[[Path], object]] = {
    "coco": lambda root: write_set(root, [{"segmentation": [BOX]}]),
    "labelme": lambda root: write_labelme(root, [{"points": POINTS}]),
    "yolo": lambda root: write_yolo(root, {"images/a.png": OUTLINE}),
    "voc": write_voc,
    "cityscapes": write_cityscapes,
    "folder": write_pairs,
}


@pytest.mark.parametrize("source", LAYOUTS)
def test_the_layout_decides_the_source(tmp_path: Path, source: str) -> None:
    LAYOUTS[source](tmp_path)
    assert detect_source(tmp_path) == source


def test_label_maps_are_read_where_annotations_lie_beside_them(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    write_set(tmp_path, [])
    assert detect_source(tmp_path) == "folder"


@pytest.mark.parametrize("source", ["coco", "labelme", "yolo"])
def test_categories_become_classes_after_the_background(tmp_path: Path, source: str) -> None:
    root = tmp_path / "raw"
    LAYOUTS[source](root)
    found = find_set(full_values({}), source, str(root), work=tmp_path / "work")
    names = ("background", "cell", "vessel") if source == "yolo" else ("background", "cell")
    assert found.classes.classes == names
    assert found.classes.label_map == {}
    assert found.facts.shares["cell"] == found.table["px_cell"][0] / (SIZE[0] * SIZE[1])
    assert found.facts.shares["cell"] > 0
    assert found.facts.sides["cell"] > 0


def test_a_set_without_an_object_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_set(root, [])
    with pytest.raises(DataError, match=r"E102 .*no object is annotated"):
        find_set(full_values({}), "coco", str(root), work=tmp_path / "work")


def test_a_category_that_cannot_be_a_class_is_told(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_labelme(root, [{"points": POINTS, "label": "ignore"}])
    with pytest.raises(DataError, match=r"E115 .*reserved for ignored pixels"):
        find_set(full_values({}), "labelme", str(root), work=tmp_path / "work")


@pytest.mark.parametrize(("kind", "first"), [("labelIds", {"7": "road"}), ("labelTrainIds", {})])
def test_cityscapes_gets_the_table_of_its_ids(
    tmp_path: Path, kind: str, first: dict[str, str]
) -> None:
    root = tmp_path / "raw"
    write_cityscapes(root, kind=kind)
    found = find_set(full_values({}), "cityscapes", str(root), work=tmp_path / "work")
    assert dict(list(found.classes.label_map.items())[:1]) == first
    assert found.facts.shares["road"] == 1


def test_the_names_of_a_cvat_export_come_from_its_label_map(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_voc(root)
    colours = np.zeros((*SIZE, 3), dtype=np.uint8)
    colours[3:7, 3:7] = (250, 50, 83)
    for stem in "abc":
        save(root / f"VOCdevkit/VOC2012/SegmentationClass/{stem}.png", colours)
    text = "# label:color_rgb:parts:actions\nbackground:0,0,0::\nlarge cell:250,50,83::\n"
    (root / "labelmap.txt").write_text(text)
    found = find_set(full_values({}), "voc", str(root), work=tmp_path / "work")
    assert found.classes.classes == ("background", "large cell")
    assert found.facts.shares["large cell"] == 16 / 192
