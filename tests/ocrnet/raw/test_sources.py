"""Layouts on disk and what the sources make of them."""

import logging
import shutil
from pathlib import Path

import pytest

from ocrnet.errors import DataError, ParamsError
from ocrnet.raw.sources import SOURCES, RawItem, load_source
from tests.ocrnet.raw.raw_sets import (
    find_set,
    make_params,
    noise,
    save,
    stripes,
    write_lists,
    write_pairs,
)


def find(root: Path, source: str = "folder", **data: object) -> list[RawItem]:
    return find_set(make_params(source=source, path=str(root), **data))


def test_the_table_names_functions_that_exist() -> None:
    for name in SOURCES:
        assert callable(load_source(name))
    with pytest.raises(ParamsError, match=r"data.source: 'voc2' is unknown.* Known: demo, folder"):
        load_source("voc2")


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("images", "masks"),
        ("images", "annotations"),
        ("images", "labels"),
        ("img_dir", "ann_dir"),
        ("images", "instances"),
    ],
)
def test_the_usual_folder_names_are_known(images: str, masks: str, tmp_path: Path) -> None:
    stems = write_pairs(tmp_path)
    for old, new in (("images", images), ("masks", masks)):
        (tmp_path / old).rename(tmp_path / f"{old}.moved").rename(tmp_path / new)
    items = find(tmp_path)
    assert [item.id for item in items] == stems
    assert all(item.label_map and item.label_map.parent.name == masks for item in items)
    assert {item.split for item in items} == {None}


def test_class_maps_come_before_the_instance_maps_beside_them(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    shutil.copytree(tmp_path / "masks", tmp_path / "instances")
    assert {item.label_map.parent.name for item in find(tmp_path) if item.label_map} == {"masks"}


def test_stems_match_whatever_the_extension(tmp_path: Path) -> None:
    write_pairs(tmp_path, 2)
    (tmp_path / "images" / "a0.png").rename(tmp_path / "images" / "a0.JPG")
    (tmp_path / "masks" / "a1.png").rename(tmp_path / "masks" / "a1.TIF")
    (tmp_path / "images" / "notes.txt").write_text("no image")
    (tmp_path / "images" / "._a0.png").write_text("left by a file manager")
    items = find(tmp_path)
    assert [(item.image.name, item.label_map and item.label_map.name) for item in items] == [
        ("a0.JPG", "a0.png"),
        ("a1.png", "a1.TIF"),
    ]


def test_lists_publish_the_split(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stems = write_pairs(tmp_path)
    write_lists(tmp_path, stems[1:])
    with caplog.at_level(logging.WARNING):
        items = find(tmp_path)
    assert [(item.id, item.split) for item in items] == [
        ("a1", "train"), ("a2", "train"), ("a3", "train"), ("a4", "val"), ("a5", "test"),
    ]  # fmt: skip
    assert "1 images are in no list" in caplog.text


@pytest.mark.parametrize(
    ("line", "message"),
    [("a9", r"E114 .*val.txt line 2: no image has the stem 'a9'"),
     ("a0", r"E113 .*val.txt line 2: 'a0' is already in train")],
)  # fmt: skip
def test_a_wrong_line_of_a_list_is_named(line: str, message: str, tmp_path: Path) -> None:
    write_lists(tmp_path, write_pairs(tmp_path))
    with (tmp_path / "splits" / "val.txt").open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(DataError, match=message):
        find(tmp_path)


def test_all_three_lists_are_wanted(tmp_path: Path) -> None:
    write_lists(tmp_path, write_pairs(tmp_path))
    (tmp_path / "splits" / "test.txt").unlink()
    with pytest.raises(DataError, match=r"E126 .*test.txt: the list is missing"):
        find(tmp_path)


def test_subfolders_publish_the_split(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        save(tmp_path / "images" / split / "a.png", noise(0))
        save(tmp_path / "masks" / split / "a.png", stripes())
    items = find(tmp_path)
    # The stems repeat, so that the folder becomes part of the id.
    assert sorted((item.id, item.split) for item in items) == [
        ("test-a", "test"), ("train-a", "train"), ("val-a", "val"),
    ]  # fmt: skip
    save(tmp_path / "images" / "b.png", noise(1))
    with pytest.raises(DataError, match=r"E126 .*b.png is not in images/"):
        find(tmp_path)


def test_a_stem_that_stands_twice_is_refused(tmp_path: Path) -> None:
    write_pairs(tmp_path, 2)
    save(tmp_path / "images" / "a0.jpg", noise(0))
    with pytest.raises(DataError, match=r"a0.jpg and .*a0.png have the same stem"):
        find(tmp_path)


def test_masks_in_an_unknown_folder_are_pointed_at(tmp_path: Path) -> None:
    write_pairs(tmp_path, 3)
    shutil.move(tmp_path / "masks", tmp_path / "truth")
    (tmp_path / "masks").mkdir()
    with pytest.raises(DataError) as caught:
        find(tmp_path)
    assert str(caught.value) == (
        "E114 found 3 images (.png) and 0 masks in masks/. "
        "truth/ has 3 files with matching stems; move them to masks/."
    )


def test_masks_with_other_stems_are_shown(tmp_path: Path) -> None:
    write_pairs(tmp_path, 1)
    (tmp_path / "masks" / "a0.png").rename(tmp_path / "masks" / "a0_mask.png")
    with pytest.raises(DataError, match=r"image 'a0', mask 'a0_mask'.*give both the same stem"):
        find(tmp_path)


def test_an_image_without_mask_is_kept_for_the_scan_to_name(tmp_path: Path) -> None:
    write_pairs(tmp_path, 3)
    (tmp_path / "masks" / "a1.png").unlink()
    assert [item.label_map is None for item in find(tmp_path)] == [False, True, False]


def test_a_missing_folder_says_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(DataError, match=r"none of images/, img_dir/ is there \(found: photos\)"):
        find(tmp_path)


def write_camvid(root: Path) -> None:
    lists = {"train": ["0006R0_f1", "Seq05VD_f0"], "val": ["0016E5_1"], "test": ["0016E5_2"]}
    for split, stems in lists.items():
        lines = []
        for i, stem in enumerate(stems):
            save(root / split / f"{stem}.png", noise(i))
            save(root / f"{split}annot" / f"{stem}.png", stripes())
            lines.append(
                f"/SegNet/CamVid/{split}/{stem}.png /SegNet/CamVid/{split}annot/{stem}.png\n"
            )
        (root / f"{split}.txt").write_text("".join(lines) + "\n")


def test_camvid_keeps_its_published_split_and_drives(tmp_path: Path) -> None:
    write_camvid(tmp_path)
    save(tmp_path / "train" / "0006R0_unlisted.png", noise(9))
    items = find(tmp_path, "camvid")
    assert [(item.id, item.split, item.group) for item in items] == [
        ("0006R0_f1", "train", "0006R0"),
        ("Seq05VD_f0", "train", "Seq05VD"),
        ("0016E5_1", "val", "0016E5"),
        ("0016E5_2", "test", "0016E5"),
    ]
    for item in items:
        assert item.image == tmp_path / str(item.split) / f"{item.id}.png"
        assert item.label_map == tmp_path / f"{item.split}annot" / f"{item.id}.png"


def test_camvid_without_a_list_or_with_a_wrong_line_is_refused(tmp_path: Path) -> None:
    write_camvid(tmp_path)
    (tmp_path / "val.txt").write_text("/SegNet/CamVid/val/0016E5_1.png\n")
    with pytest.raises(DataError, match=r"E114 .*val.txt line 1: found .*expected the path"):
        find(tmp_path, "camvid")
    (tmp_path / "val.txt").unlink()
    with pytest.raises(DataError, match=r"E114 .*val.txt: the list is missing"):
        find(tmp_path, "camvid")
