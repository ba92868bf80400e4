"""The source `cityscapes`: its layout, its ids and its training ids."""

from pathlib import Path

import numpy as np
import pytest

from ocrnet.data.decode import read_label_map
from ocrnet.data.instance_maps import read_instances
from ocrnet.errors import DataError
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.label_maps import label_rules
from ocrnet.raw.prepare import prepare
from ocrnet.raw.scan import read_table, scan, write_table
from ocrnet.raw.sources import Roots, find_items
from ocrnet.raw.sources.cityscapes import LABELS
from tests.ocrnet.raw.raw_sets import find_set, make_params, save

from .annotated import SIZE, find, params_of, write_images

FRAMES = {
    "train": "aachen_000000_000019",
    "val": "frankfurt_000000_000294",
    "test": "berlin_000000_000019",
}


def write_cityscapes(
    root: Path, splits: tuple[str, ...] = ("train", "val", "test"), kind: str = "labelIds"
) -> None:
    for split in splits:
        name = FRAMES[split]
        city = name.split("_")[0]
        write_images(root, f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png")
        label_map = np.full(SIZE, 7 if kind == "labelIds" else 0, dtype=np.uint8)
        save(root / f"gtFine/{split}/{city}/{name}_gtFine_{kind}.png", label_map)
        save(root / f"gtFine/{split}/{city}/{name}_gtFine_color.png", label_map)


def test_an_empty_table_is_refused_with_entries_that_are_right(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_cityscapes(root)
    with pytest.raises(DataError, match=r"E117 .*No label is called kiosk") as refused:
        find(root, "cityscapes", classes=["road", "kiosk", "car"])
    assert '{"7": road, "26": car, other: ignore}' in str(refused.value)
    label_map = {"7": "road", "26": "car", "other": "ignore"}
    items, inventory = find(root, "cityscapes", classes=["road", "car"], label_map=label_map)
    rules = label_rules(
        params_of(root, "cityscapes", classes=["road", "car"], label_map=label_map).data
    )
    assert [rules.class_of(value) for value in (7, 26, 0)] == [0, 1, 255]
    assert {item.group: item.split for item in items} == {
        "aachen": "train", "frankfurt": "val", "berlin": "test",
    }  # fmt: skip
    assert not inventory.findings


def test_the_table_has_the_nineteen_labels_in_the_order_of_their_training_ids() -> None:
    """Ids and order of helpers/labels.py of cityscapesScripts; Cityscapes' own table of results has this order too."""
    ids = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
    assert list(LABELS.values()) == ids
    names = list(LABELS)
    assert names[:3] + names[-2:] == ["road", "sidewalk", "building", "motorcycle", "bicycle"]


def test_training_ids_are_read_as_they_are(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_cityscapes(root)
    write_cityscapes(root, kind="labelTrainIds")
    items, _ = find(root, "cityscapes", classes=list(LABELS))
    assert all(item.label_map and item.label_map.stem.endswith("labelTrainIds") for item in items)


def test_unlabelled_test_images_need_lists(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_cityscapes(root, ("train", "val"), kind="labelTrainIds")
    write_images(root, "leftImg8bit/test/berlin/berlin_000000_000019_leftImg8bit.png")
    with pytest.raises(DataError, match=r"E126 .*no labelled images of test"):
        find(root, "cityscapes")
    params = make_params(
        path=str(root), source="cityscapes", classes=list(LABELS), prepare={"missing_splits": "from_train"}
    )  # fmt: skip
    assert sorted(str(item.split) for item in find_set(params)) == ["train", "val"]


@pytest.mark.parametrize(("kind", "value"), [("labelIds", 3), ("labelTrainIds", 255)])
def test_test_images_whose_label_maps_show_the_frame_alone_are_unlabelled(
    tmp_path: Path, kind: str, value: int
) -> None:
    """The download has such files: ids 1 to 3 are own vehicle, border and outside (helpers/labels.py)."""
    root = tmp_path / "raw"
    write_cityscapes(root, kind=kind)
    (path,) = (root / "gtFine/test").rglob(f"*_{kind}.png")
    save(path, np.full(SIZE, value, np.uint8))
    label_map = {"7": "road", "other": "ignore"} if kind == "labelIds" else {}
    options = {"classes": ["road", "car"], "label_map": label_map}
    with pytest.raises(DataError, match=r"E126 .*no labelled images of test"):
        find(root, "cityscapes", **options)
    frame = np.full(SIZE, value, np.uint8)
    frame[3, 3] = 7 if kind == "labelIds" else 0
    save(path, frame)
    items, _ = find(root, "cityscapes", **options)
    assert {item.split for item in items} == {"train", "val", "test"}


def test_a_folder_that_is_no_cityscapes_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_images(root, "leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png")
    with pytest.raises(DataError, match=r"E114 .*1 images end with _leftImg8bit, 0 label maps"):
        find(root, "cityscapes")


@pytest.mark.parametrize("things", [["car"], []])
def test_objects_are_those_of_the_instance_ids_and_a_group_of_them_is_ignored(
    tmp_path: Path, things: list[str]
) -> None:
    """26001 and 26004 are two cars that touch, 26 is a group of cars, 7 is road (helpers/labels.py)."""
    root = tmp_path / "raw"
    write_cityscapes(root)
    numbers = np.full(SIZE, 7, np.uint16)
    numbers[2:4, 1:4], numbers[2:4, 4:8], numbers[8:10, :5] = 26001, 26004, 26
    for path in sorted(root.rglob("*_labelIds.png")):
        save(path, np.where(numbers >= 1000, 26, numbers).astype(np.uint8))
        save(path.with_name(path.name.replace("labelIds", "instanceIds")), numbers)
    names = {"7": "road", "26": "car", "other": "ignore"}
    params = params_of(root, "cityscapes", classes=["road", "car"], label_map=names, things=things)
    inventory = Inventory(root)
    items = find_items(params, tmp_path / "work", inventory)
    assert not inventory.findings
    roots = Roots(root, root)
    table = scan(items, params.data, roots=roots)
    if things:
        assert table["objects"].tolist() == [2, 2, 2]
        assert table["unnumbered_px"].tolist() == table["mixed_objects"].tolist() == [0, 0, 0]
    write_table(tmp_path / "table.csv", table)
    out = tmp_path / "out"
    manifest = prepare(
        read_table(tmp_path / "table.csv", params.data), params, roots=roots, out=out
    )
    for row in manifest.to_dict("records"):
        label_map = read_label_map(out / row["label_map"])
        assert (label_map[2:4, 1:8] == 1).all()
        assert (label_map[8:10, :5] == (255 if things else 1)).all()
        assert row["px_ignore"] == (10 if things else 0)
        if things:
            found = read_instances(out / row["instances"])
            expected = np.zeros(SIZE, np.uint16)
            expected[2:4, 1:4], expected[2:4, 4:8] = 1, 2
            assert np.array_equal(found, expected)


def test_a_labelled_image_outside_the_folders_of_the_splits_does_not_undo_the_published_split(
    tmp_path: Path,
) -> None:
    root = tmp_path / "raw"
    write_cityscapes(root, kind="labelTrainIds")
    for folder, ending in (("leftImg8bit", "leftImg8bit"), ("gtFine", "gtFine_labelTrainIds")):
        (moved,) = root.glob(f"{folder}/train/aachen/*_{ending}.png")
        stray = root / folder / "more" / "aachen" / moved.name.replace("000019", "000020")
        stray.parent.mkdir(parents=True)
        stray.write_bytes(moved.read_bytes())
    with pytest.raises(DataError, match=r"E126 .*more/aachen/.* is in no folder of a split"):
        find(root, "cityscapes", classes=list(LABELS))
