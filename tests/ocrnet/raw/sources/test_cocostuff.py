"""The source `cocostuff`: pixel maps of 182 ids, and a split that lacks test images."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ocrnet.auto_config.categories import cocostuff_classes
from ocrnet.auto_config.layout import detect_source
from ocrnet.config import Params
from ocrnet.data.decode import read_label_map
from ocrnet.data.manifest import ClassTable, read_manifest
from ocrnet.errors import DataError
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.label_maps import label_rules
from ocrnet.raw.prepare import prepare
from ocrnet.raw.preview import write_preview
from ocrnet.raw.scan import scan
from ocrnet.raw.sources import find_items, raw_roots
from ocrnet.raw.sources.cocostuff import LABELS, NEVER_LABELLED
from tests.ocrnet.raw.raw_sets import make_params, noise, save

CLASSES = ["person", "sea", "wood"]
IDS = {"0": "person", "154": "sea", "181": "wood", "other": "ignore"}
VALUES = (0, 154, 181, 255)
SIZE = (12, 16)


def write_cocostuff(root: Path, *, train: int = 6, val: int = 2) -> None:
    number = 0
    for folder, count in (("train2017", train), ("val2017", val)):
        for _ in range(count):
            save(root / f"{folder}/{number:012}.jpg", noise(number, (*SIZE, 3)))
            values = np.repeat(np.array(VALUES, dtype=np.uint8), 4)
            save(root / f"stuffthingmaps/{folder}/{number:012}.png", np.tile(values, (12, 1)))
            number += 1


def params_of(root: Path, missing: str = "error", **data: Any) -> Params:
    values = {"source": "cocostuff", "classes": CLASSES, "label_map": IDS, **data}
    return make_params(path=str(root), prepare={"missing_splits": missing}, **values)


def prepared(root: Path, out: Path, missing: str) -> pd.DataFrame:
    params = params_of(root, missing)
    items = find_items(params, root.parent / "work", Inventory(root))
    roots = raw_roots("cocostuff", root, root.parent / "work")
    prepare(scan(items, params.data, roots=roots), params, roots=roots, out=out)
    return read_manifest(out)


def test_the_ids_are_those_of_the_published_list_minus_one() -> None:
    """Ids of labels.txt of the data set: 1 person, 92 banner, 149 road, 155 sea, 182 wood."""
    assert [LABELS[name] + 1 for name in ("person", "banner", "road", "sea", "wood")] == [
        1, 92, 149, 155, 182,
    ]  # fmt: skip
    assert len(LABELS) == 182
    assert [LABELS[name] + 1 for name in sorted(NEVER_LABELLED, key=LABELS.__getitem__)] == [
        12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91,
    ]  # fmt: skip
    assert len(cocostuff_classes().classes) == 171


def test_ids_without_a_table_are_refused_with_the_entries(tmp_path: Path) -> None:
    write_cocostuff(tmp_path / "raw")
    assert detect_source(tmp_path / "raw") == "cocostuff"
    params = params_of(tmp_path / "raw", classes=[*CLASSES, "kiosk"], label_map={})
    with pytest.raises(DataError, match=r"E117 .*No label is called kiosk") as refused:
        find_items(params, tmp_path / "work", Inventory(tmp_path / "raw"))
    assert '{"0": person, "154": sea, "181": wood, other: ignore}' in str(refused.value)


def test_without_test_images_the_set_is_refused_unless_they_may_come_from_train(
    tmp_path: Path,
) -> None:
    root = tmp_path / "raw"
    write_cocostuff(root)
    with pytest.raises(DataError, match=r"E126 .*no labelled images of test.*missing_splits"):
        prepared(root, tmp_path / "refused", "error")
    table = prepared(root, tmp_path / "out", "from_train")
    by_split = {split: set(rows["id"]) for split, rows in table.groupby("split")}
    assert by_split["val"] == {"000000000006", "000000000007"}  # as published
    assert by_split["test"]
    assert by_split["train"]
    assert by_split["test"] | by_split["train"] == {f"{number:012}" for number in range(6)}
    label_map = read_label_map(tmp_path / "out" / str(table["label_map"].iloc[0]))
    assert label_map[0, ::4].tolist() == [0, 1, 2, 255]
    write_preview(tmp_path / "out", table, ClassTable.read(tmp_path / "out"))
    assert (tmp_path / "out/preview.jpg").is_file()
    assert [label_rules(params_of(root).data).class_of(value) for value in (0, 181, 7, 255)] == [
        0, 2, 255, 255,
    ]  # fmt: skip


def test_images_and_their_labels_are_matched_by_stem(tmp_path: Path) -> None:
    save(tmp_path / "raw/train2017/1.jpg", noise(1))
    save(tmp_path / "raw/stuffthingmaps/train2017/2.png", np.zeros(SIZE, np.uint8))
    with pytest.raises(DataError, match=r"E114 .*1 images end with \.jpg and 1 label maps"):
        find_items(params_of(tmp_path / "raw"), tmp_path / "work", Inventory(tmp_path / "raw"))
