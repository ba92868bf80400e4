"""The source `voc`: the layout of PASCAL VOC."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocrnet.errors import DataError
from ocrnet.raw.scan import scan
from ocrnet.raw.sources import raw_roots
from tests.ocrnet.raw.raw_sets import save

from .annotated import SIZE, find, params_of, write_images

BASE = "VOCdevkit/VOC2012"


def write_voc(root: Path, stems: str = "abc", base: str = BASE) -> None:
    """Write images with label maps in the palette of VOC: class 1 with a border of 255."""
    label_map = np.zeros(SIZE, dtype=np.uint8)
    label_map[2:8, 2:8] = 255
    label_map[3:7, 3:7] = 1
    picture = Image.fromarray(label_map, mode=None)
    picture.putpalette([0, 0, 0, 128, 0, 0] + [0, 0, 0] * 253 + [224, 224, 192])
    for stem in stems:
        write_images(root, f"{base}/JPEGImages/{stem}.jpg")
        path = root / base / "SegmentationClass" / f"{stem}.png"
        path.parent.mkdir(exist_ok=True)
        picture.save(path)


def write_lists(root: Path, folder: str, **lists: str) -> None:
    for name, stems in lists.items():
        path = root / folder / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{stem}\n" for stem in stems))


@pytest.mark.parametrize("base", [BASE, "."])
def test_lists_of_segmentation_decide_and_other_lists_do_not(tmp_path: Path, base: str) -> None:
    root = tmp_path / "raw"
    write_voc(root, base=base)
    write_images(root, f"{base}/JPEGImages/boxes.jpg")
    write_lists(root, f"{base}/ImageSets/Segmentation", train="a", val="b", test="c", trainval="ab")
    write_lists(root, f"{base}/ImageSets/Main", train="c", val="a", test="b")
    items, inventory = find(root, "voc")
    assert {item.id: item.split for item in items} == {"a": "train", "b": "val", "c": "test"}
    assert inventory.left[root / base / "JPEGImages/boxes.jpg"] == "an image without a label map"
    assert not inventory.findings


def test_the_indexes_of_the_palette_are_ids_and_borders_are_ignored(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_voc(root)
    params = params_of(root, "voc", classes=["background", "aeroplane"])
    items, _ = find(root, "voc", classes=["background", "aeroplane"])
    table = scan(items, params.data, roots=raw_roots("voc", root, tmp_path / "work"))
    assert table["px_aeroplane"].tolist() == [16] * 3
    assert table["px_ignore"].tolist() == [20] * 3
    assert {item.split for item in items} == {None}


def test_a_test_list_that_is_missing_is_refused_and_own_lists_cure_it(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_voc(root, "abcd")
    write_lists(root, f"{BASE}/ImageSets/Segmentation", train="ab", val="c")
    with pytest.raises(DataError, match=r"E126 .*Segmentation/test\.txt: the list is missing"):
        find(root, "voc")
    write_lists(root, "splits", train="a", val="b", test="c")
    items, inventory = find(root, "voc")
    assert {item.id: item.split for item in items} == {"a": "train", "b": "val", "c": "test"}
    assert list(inventory.left.values()).count("in no list of the split") == 1


def test_what_is_no_voc_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_images(root, "images/a.png")
    with pytest.raises(DataError, match=r"E114 .*found none, expected one folder JPEGImages/"):
        find(root, "voc")
    write_images(root, "JPEGImages/a.png")
    save(root / "SegmentationClass/b.png", np.zeros(SIZE, dtype=np.uint8))
    with pytest.raises(DataError, match=r"E114 .*no two have one stem"):
        find(root, "voc")
