"""Unlabelled images: which files they are, what they must not show, and how they are prepared."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ocrnet.data.decode import read_image
from ocrnet.data.manifest import file_sha256, read_manifest
from ocrnet.data.unlabelled import FOLDER, has_unlabelled, read_unlabelled_manifest
from ocrnet.errors import DataError, ParamsError
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.prepare import prepare
from ocrnet.raw.scan import scan, scan_files
from ocrnet.raw.sources import RawItem, Roots, find_items
from ocrnet.raw.splits import plan_splits
from ocrnet.raw.unlabelled import overlap_lines
from tests.ocrnet.raw.raw_sets import make_params, noise, save, stripes, write_lists, write_pairs


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Six pairs, of which a4 is val and a5 is test."""
    write_lists(tmp_path / "raw", write_pairs(tmp_path / "raw"))
    return tmp_path / "raw"


def find(raw: Path, **data: Any) -> tuple[list[RawItem], Inventory]:
    inventory = Inventory(raw)
    return find_items(make_params(path=str(raw), **data), raw / "work", inventory), inventory


def unlabelled_of(items: list[RawItem]) -> dict[str, RawItem]:
    return {item.id: item for item in items if item.is_unlabelled}


@pytest.mark.parametrize("source", ["folder", "by_name"])
def test_every_image_of_the_folder_is_unlabelled_and_no_source_reads_it(
    raw: Path, source: str
) -> None:
    save(raw / "extra" / "a0.png", noise(20))
    save(raw / "extra" / "deep" / "b7.jpg", noise(21))
    (raw / "extra" / "notes.txt").write_text("taken in May")
    items, inventory = find(raw, source=source, unlabelled="extra", group_by="([0-9])")
    found = unlabelled_of(items)
    assert {name: item.image for name, item in found.items()} == {
        "extra-a0": raw / "extra" / "a0.png", "extra-b7": raw / "extra" / "deep" / "b7.jpg",
    }  # fmt: skip
    assert [item.group for item in found.values()] == ["0", "7"]
    assert all(item.label_map is None and item.split is None for item in found.values())
    assert len(items) == 8
    assert inventory.findings == []
    assert "of a type that is not read" in inventory.left[raw / "extra" / "notes.txt"]
    assert inventory.lines()[0].endswith("2 unlabelled images; left out: 1.")


def test_without_the_param_the_folder_is_left_out_as_before(raw: Path) -> None:
    save(raw / "extra" / "b.png", noise(20))
    items, inventory = find(raw)
    assert len(items) == 6
    assert inventory.left[raw / "extra" / "b.png"] == "outside images/ and masks/"


def test_equal_stems_stay_apart(raw: Path) -> None:
    for name in ("x/b.png", "y/b.png", "y/b.jpg"):
        save(raw / "extra" / name, noise(20))
    items, _ = find(raw, unlabelled="extra")
    assert sorted(unlabelled_of(items)) == ["extra-x-b-png", "extra-y-b-jpg", "extra-y-b-png"]


def test_a_folder_without_images_is_a_finding(raw: Path) -> None:
    _, inventory = find(raw, unlabelled="extra")
    (line,) = inventory.findings
    assert line.startswith("E114 data.unlabelled: found no images in extra/ of data.path")


@pytest.mark.parametrize("folder", ["/data/photos", "../photos", "."])
def test_a_folder_outside_the_raw_folder_is_refused(folder: str) -> None:
    with pytest.raises(ParamsError, match=r"data\.unlabelled: .* below data.path"):
        make_params(unlabelled=folder)


def test_images_without_a_label_map_go_where_the_param_sends_them(raw: Path) -> None:
    (raw / "masks" / "a1.png").unlink()
    kept, _ = find(raw)
    assert [item.id for item in kept if item.label_map is None] == ["a1"]
    assert unlabelled_of(kept) == {}
    sent, inventory = find(raw, without_label_map="unlabelled")
    assert list(unlabelled_of(sent)) == ["a1"]
    assert inventory.used[raw / "images" / "a1.png"] == "unlabelled images"
    left, inventory = find(raw, without_label_map="drop")
    assert [item.id for item in left] == ["a0", "a2", "a3", "a4", "a5"]
    assert "data.without_label_map: drop" in inventory.left[raw / "images" / "a1.png"]


def test_a_test_image_without_a_label_map_is_not_trained_on(raw: Path) -> None:
    (raw / "masks" / "a5.png").unlink()
    items, _ = find(raw, without_label_map="unlabelled")
    assert unlabelled_of(items) == {}


def smooth(seed: int, size: tuple[int, int] = (120, 160)) -> Any:
    """Return a picture with large structures, as a photograph has."""
    coarse = Image.fromarray(noise(seed, (6, 8, 3)))
    return np.array(coarse.resize((size[1], size[0]), Image.Resampling.BICUBIC))


def lines_of(raw: Path, **data: Any) -> list[str]:
    params = make_params(path=str(raw), unlabelled="extra", **data)
    items = find_items(params, raw / "work", Inventory(raw))
    roots = Roots(raw, raw)
    labelled = scan_files([i for i in items if not i.is_unlabelled], params.data, roots=roots)
    beside = scan_files([i for i in items if i.is_unlabelled], params.data, roots=roots)
    table = labelled.table
    table = table.assign(split=plan_splits(table, params).split_column(table))
    return overlap_lines(
        beside.table, table, {**labelled.thumbnails, **beside.thumbnails},
        by_group=params.data.group_by is not None,
    )  # fmt: skip


def test_copies_of_val_and_test_images_are_told_with_both_files(raw: Path) -> None:
    for i in range(6):
        save(raw / "images" / f"a{i}.png", smooth(i))
        save(raw / "masks" / f"a{i}.png", stripes((120, 160)))
    (raw / "extra").mkdir()
    (raw / "extra" / "p.png").write_bytes((raw / "images" / "a4.png").read_bytes())  # val
    save(raw / "extra" / "q.jpg", smooth(5, (90, 120)), quality=80)  # test, smaller and saved again
    (raw / "extra" / "r.png").write_bytes((raw / "images" / "a1.png").read_bytes())  # train
    save(raw / "extra" / "s.png", smooth(9))
    lines = lines_of(raw)
    assert [line.partition(", ")[0] for line in lines] == [
        "E128 extra/p.png shows the same picture as the val image images/a4.png",
        "E128 extra/q.jpg shows the same picture as the test image images/a5.png",
    ]


def test_a_plain_copy_is_told_by_its_bytes(raw: Path) -> None:
    plain = np.full((12, 16, 3), 90, np.uint8)
    save(raw / "images" / "a5.png", plain)
    save(raw / "extra" / "p.png", plain)
    assert len(lines_of(raw)) == 1


def test_images_of_a_group_of_val_or_test_are_told(raw: Path) -> None:
    for name in ("v5.png", "w1.png"):
        save(raw / "extra" / name, noise(int(name[1]) + 30))
    assert lines_of(raw) == []
    (line,) = lines_of(raw, group_by="([0-9])")
    assert "extra/v5.png is of the group '5' (data.group_by), and so is the test image" in line


def prepared(raw: Path, out: Path, **data: Any) -> dict[str, bytes]:
    """Scan and prepare, and return the files."""
    params = make_params(path=str(raw), **data)
    items = find_items(params, raw / "work", Inventory(raw))
    roots = Roots(raw, raw)
    table = scan([i for i in items if not i.is_unlabelled], params.data, roots=roots)
    beside = [i for i in items if i.is_unlabelled]
    unlabelled = scan(beside, params.data, roots=roots) if beside else None
    train = table[~table["id"].isin(["a4", "a5"])]
    kept = int(train["id"].nunique() * params.prepare.train_fraction)
    if (
        params.prepare.rest == "unlabelled"
    ):  # the rest's label maps are gone before they could be read
        for name in set(train["id"]) - set(stretch(table, params)):
            (raw / "masks" / f"{name}.png").unlink()
    prepare(table, params, roots=roots, out=out, unlabelled=unlabelled)
    assert len(read_manifest(out, split="train")) == kept
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


def stretch(table: pd.DataFrame, params: Any) -> list[str]:
    from ocrnet.raw.splits import keep_fraction

    kept = keep_fraction(
        table, fraction=params.prepare.train_fraction, seed=params.prepare.split_seed
    )
    return list(table["id"][kept])


def test_the_label_maps_of_the_rest_are_neither_read_nor_stored(raw: Path, tmp_path: Path) -> None:
    dropped = prepared(raw, tmp_path / "drop", prepare={"train_fraction": 0.5})
    found = prepared(raw, tmp_path / "rest", prepare={"train_fraction": 0.5, "rest": "unlabelled"})
    beside = {name: content for name, content in found.items() if name.startswith(FOLDER)}
    assert {name: content for name, content in found.items() if name not in beside} == dropped
    table = read_unlabelled_manifest(tmp_path / "rest")
    assert len(table) == 2
    assert set(table["origin"]) == {"rest"}
    names = set(read_manifest(tmp_path / "drop")["id"])
    assert names | set(table["id"]) == {f"a{i}" for i in range(6)}
    assert names & set(table["id"]) == set()
    assert sorted(beside) == sorted(
        [f"{FOLDER}/manifest.csv", *(f"{FOLDER}/{image}" for image in table["image"])]
    )
    for row in table.to_dict("records"):
        path = tmp_path / "rest" / FOLDER / row["image"]
        np.testing.assert_array_equal(read_image(path), noise(int(row["id"][1:])))
        assert row["image_sha256"] == file_sha256(path)


def test_unlabelled_images_are_resized_like_the_others(raw: Path, tmp_path: Path) -> None:
    save(raw / "extra" / "b.png", noise(20, (24, 32, 3)))
    prepared(raw, tmp_path, unlabelled="extra", prepare={"resize": [12, 16]})
    (row,) = read_unlabelled_manifest(tmp_path).to_dict("records")
    assert (row["id"], row["origin"], row["raw_image"]) == ("extra-b", "unlabelled", "extra/b.png")
    assert read_image(tmp_path / FOLDER / row["image"]).shape == (12, 16, 3)
    assert (row["height"], row["width"]) == (12, 16)


def test_copies_of_training_images_are_left_out_and_told(
    raw: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    save(raw / "extra" / "b.png", noise(20))
    for name, other in (("c.png", "extra/b.png"), ("d.png", "images/a0.png")):
        (raw / "extra" / name).write_bytes((raw / other).read_bytes())
    prepared(raw, tmp_path, unlabelled="extra")
    assert list(read_unlabelled_manifest(tmp_path)["id"]) == ["extra-b"]
    assert "2 unlabelled images are exact copies" in caplog.text
    assert "1 unlabelled images" in caplog.text


def test_a_set_without_unlabelled_images_has_no_such_folder(raw: Path, tmp_path: Path) -> None:
    prepared(raw, tmp_path / "none")
    prepared(raw, tmp_path / "rest", prepare={"rest": "unlabelled"})
    (raw / "extra").mkdir()
    (raw / "extra" / "d.png").write_bytes((raw / "images" / "a0.png").read_bytes())
    prepared(raw, tmp_path / "copy", unlabelled="extra")
    for name in ("none", "rest", "copy"):
        assert not has_unlabelled(tmp_path / name)
        assert not (tmp_path / name / FOLDER).exists()
    assert json.loads((tmp_path / "none" / "statistics.json").read_text())["train_left_out"] == 0


def test_a_changed_unlabelled_image_is_refused(raw: Path, tmp_path: Path) -> None:
    save(raw / "extra" / "b.png", noise(20))
    params = make_params(path=str(raw), unlabelled="extra")
    items = find_items(params, raw / "work", Inventory(raw))
    roots = Roots(raw, raw)
    tables = [
        scan([item for item in items if item.is_unlabelled is which], params.data, roots=roots)
        for which in (False, True)
    ]
    save(raw / "extra" / "b.png", noise(21))
    with pytest.raises(DataError, match=r"extra/b\.png: the file changed since the scan"):
        prepare(tables[0], params, roots=roots, out=tmp_path / "out", unlabelled=tables[1])
