"""From the raw files to the canonical instance maps."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ocrnet.data.decode import read_label_map
from ocrnet.data.instance_maps import read_instances, read_things
from ocrnet.data.manifest import file_sha256, read_manifest
from ocrnet.errors import DataError
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.prepare import prepare
from ocrnet.raw.scan import read_table, scan, write_table
from ocrnet.raw.sources import RawItem, Roots, find_items, raw_roots
from tests.ocrnet.raw.raw_sets import (
    find_set,
    make_params,
    save,
    stripes,
    write_lists,
    write_pairs,
)

NUMBERED = np.cumsum(np.ones((12, 16), int), axis=1) * (stripes() > 0)  # one object a column


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    root = tmp_path / "raw"
    stems = write_pairs(root)
    for stem in stems:
        save(root / "instances" / f"{stem}.png", NUMBERED.astype(np.uint16))
    write_lists(root, stems)
    return root


def scanned(root: Path, **data: Any) -> pd.DataFrame:
    params = make_params(path=str(root), things=["scratch", "pit"], **data)
    return scan(find_set(params), params.data, roots=Roots(root, root))


def prepared(root: Path, out: Path, **data: Any) -> pd.DataFrame:
    params = make_params(path=str(root), **data)
    table = scan(find_set(params), params.data, roots=Roots(root, root))
    path = out.with_suffix(".csv")
    write_table(path, table)
    return prepare(read_table(path, params.data), params, roots=Roots(root, root), out=out)


def test_objects_of_a_folder_are_those_of_its_instance_maps(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    manifest = prepared(raw, out, things=["scratch", "pit"])
    assert read_things(out) == ("scratch", "pit")
    found = read_instances(out / "instances" / "a0.png")
    # Columns 0, 3, ... are plate; the ten others are objects, numbered without gaps.
    assert found[0].tolist() == [0, 1, 2, 0, 3, 4, 0, 5, 6, 0, 7, 8, 0, 9, 10, 0]
    assert manifest["instances"][0] == "instances/a0.png"
    assert read_manifest(out)["instances_sha256"][0] == file_sha256(out / "instances" / "a0.png")
    assert scanned(raw)["objects"].tolist() == [10.0] * 6


def test_objects_of_classes_that_are_no_things_are_left_out(raw: Path, tmp_path: Path) -> None:
    prepared(raw, tmp_path / "out", things=["pit"])
    found = read_instances(tmp_path / "out" / "instances" / "a0.png")
    assert found[0].tolist() == [0, 0, 1, 0, 0, 2, 0, 0, 3, 0, 0, 4, 0, 0, 5, 0]


def test_without_instance_maps_components_are_objects(raw: Path, tmp_path: Path) -> None:
    for path in (raw / "instances").iterdir():
        path.unlink()
    (raw / "instances").rmdir()
    mask = np.zeros((12, 16), np.uint8)
    mask[2, 2] = mask[3, 3] = mask[8:10, 8:10] = 1
    save(raw / "masks" / "a0.png", mask)
    prepared(raw, tmp_path / "out", things=["scratch"])
    found = read_instances(tmp_path / "out" / "instances" / "a0.png")
    assert (found[2, 2], found[3, 3], found[8, 8], found.max()) == (1, 1, 2, 2)


def test_without_things_no_byte_and_no_column_is_new(raw: Path, tmp_path: Path) -> None:
    prepared(raw, tmp_path / "none")
    prepared(raw, tmp_path / "some", things=["pit"])
    none, some = tmp_path / "none", tmp_path / "some"
    files = {path.relative_to(none).as_posix() for path in none.rglob("*.*")}
    new = {path.relative_to(some).as_posix() for path in some.rglob("*.*")} - files
    assert new == {"things.json", *(f"instances/a{i}.png" for i in range(6))}
    for name in files - {"manifest.csv"}:
        assert (none / name).read_bytes() == (some / name).read_bytes()
    assert "instances" not in (none / "manifest.csv").read_text()
    assert "instances" not in (tmp_path / "none.csv").read_text().splitlines()[0]


def test_maps_that_are_label_maps_too_are_read_once(raw: Path, tmp_path: Path) -> None:
    for path in (raw / "masks").iterdir():
        path.unlink()
    (raw / "masks").rmdir()
    rules = {"label_map": {0: "plate", "other": "scratch"}, "things": ["scratch"]}
    params = make_params(path=str(raw), **rules)
    inventory = Inventory(raw)
    find_items(params, tmp_path / "work", inventory)
    assert "6 images, 6 label maps, 3 lists" in inventory.lines()[0]
    prepared(raw, tmp_path / "out", **rules)
    found = read_instances(tmp_path / "out" / "instances" / "a0.png")
    label_map = read_label_map(tmp_path / "out" / "label_maps" / "a0.png")
    np.testing.assert_array_equal(found > 0, label_map == 1)
    assert found.max() == 10


def test_maps_shrink_with_their_label_maps(raw: Path, tmp_path: Path) -> None:
    prepared(raw, tmp_path / "out", things=["scratch", "pit"], prepare={"resize": [9, 10]})
    found = read_instances(tmp_path / "out" / "instances" / "a0.png")
    label_map = read_label_map(tmp_path / "out" / "label_maps" / "a0.png")
    np.testing.assert_array_equal(found > 0, label_map > 0)
    assert found.shape == (9, 10)
    assert np.unique(found).tolist() == list(range(found.max() + 1))


def test_disagreements_have_their_pixels(raw: Path) -> None:
    numbers = NUMBERED.copy()
    numbers[3, 4], numbers[5, 6:8] = 0, 8  # column 6 is plate, column 7 scratch, numbered 8
    save(raw / "instances" / "a1.png", numbers.astype(np.uint16))
    save(raw / "instances" / "a2.png", NUMBERED[:, :8].astype(np.uint16))
    row = scanned(raw).to_dict("records")[1]
    assert [row[f"unnumbered_{name}"] for name in ("px", "x", "y")] == [1, 4, 3]
    assert [row[f"mixed_{name}"] for name in ("objects", "number", "x", "y")] == [1, 8, 7, 0]
    other = scanned(raw).to_dict("records")[2]
    assert (other["instances_width"], other["label_width"]) == (8, 16)
    assert np.isnan(other["mixed_objects"])


def test_ignored_pixels_may_have_any_number(raw: Path) -> None:
    mask = stripes()
    mask[0, :4] = 255
    save(raw / "masks" / "a0.png", mask)
    row = scanned(raw).iloc[0]
    assert (row["unnumbered_px"], row["mixed_objects"]) == (0, 0)


def test_a_map_that_changed_since_the_scan_is_refused(raw: Path, tmp_path: Path) -> None:
    params = make_params(path=str(raw), things=["pit"])
    table = scan(find_set(params), params.data, roots=Roots(raw, raw))
    save(raw / "instances" / "a0.png", (NUMBERED * 2).astype(np.uint16))
    with pytest.raises(DataError, match=r"instances/a0\.png: the file changed since the scan"):
        prepare(table, params, roots=Roots(raw, raw), out=tmp_path / "out")


def test_more_objects_than_sixteen_bits_are_refused(raw: Path) -> None:
    numbers = np.arange(65536 + 16, dtype=np.int32).reshape(-1, 16)
    for folder, pixels in (("masks", np.ones(numbers.shape, np.uint8)),
                           ("images", np.zeros(numbers.shape, np.uint8))):  # fmt: skip
        save(raw / folder / "a0.png", pixels)
    (raw / "instances" / "a0.png").unlink()
    Image.fromarray(numbers).save(raw / "instances" / "a0.tif")
    assert scanned(raw)["instances_error"][0].startswith(
        "E141 instances/a0.tif has 65551 objects, allowed are 65535."
    )


def draw_coco(root: Path, work: Path, **data: Any) -> list[RawItem]:
    """Two overlapping cells that touch a third, and a crowd."""
    save(root / "a.png", np.zeros((8, 12, 3), np.uint8))
    boxes = {1: (0, 0, 4, 4), 2: (3, 0, 3, 2), 3: (6, 0, 2, 2), 4: (9, 5, 3, 3)}
    annotations = [
        {"id": i, "image_id": 1, "category_id": 1, "iscrowd": int(i == 4),
         "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]]}
        for i, (x, y, w, h) in boxes.items()
    ]  # fmt: skip
    content = {"images": [{"id": 1, "file_name": "a.png", "height": 8, "width": 12}],
               "categories": [{"id": 1, "name": "cell"}], "annotations": annotations}  # fmt: skip
    (root / "cells.json").write_text(json.dumps(content))
    params = make_params(
        source="coco", path=str(root), classes=["background", "cell"], palette="auto", **data
    )
    inventory = Inventory(root)
    return find_items(params, work, inventory)


def test_each_annotation_of_coco_is_an_object_and_a_crowd_is_ignored(tmp_path: Path) -> None:
    root, work = tmp_path / "raw", tmp_path / "work"
    root.mkdir()
    (item,) = draw_coco(root, work, things=["cell"])
    assert item.instances == work / "instances" / "a.png"
    numbers = read_instances(item.instances)
    label_map = read_label_map(work / "label_maps" / "a.png")
    np.testing.assert_array_equal(numbers > 0, label_map == 1)
    # The smaller one is on top where two overlap: of the 16 pixels of the first, two are hidden.
    assert sorted(np.bincount(numbers.ravel())[1:].tolist()) == [4, 6, 14]
    assert (label_map[6, 10], numbers[6, 10]) == (255, 0)
    roots = raw_roots("coco", root, work)
    params = make_params(
        source="coco", path=str(root), classes=["background", "cell"], things=["cell"]
    )
    assert scan([item], params.data, roots=roots)["objects"].tolist() == [3.0]


def test_coco_without_things_writes_no_maps_of_objects(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (item,) = draw_coco(tmp_path / "raw", tmp_path / "work")
    assert item.instances is None
    assert not (tmp_path / "work" / "instances").exists()
