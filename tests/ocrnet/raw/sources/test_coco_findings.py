"""The source `coco`: what is wrong with a file is a finding, or is told in one line."""

from pathlib import Path
from typing import Any

import pytest

from ocrnet.errors import DataError, ParamsError
from ocrnet.raw.scan import scan
from ocrnet.raw.sources import raw_roots

from .annotated import box, find, label_maps, params_of, write_images, write_json
from .coco_sets import coco, write_set


def test_a_category_that_is_no_class_is_a_finding(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_set(root, [{"segmentation": [box(0, 0, 2, 2)], "category_id": 90}] * 2)
    _, inventory = find(root, "coco", classes=["background", "cell", "vessels"])
    (finding,) = inventory.findings
    assert finding.startswith("E115 the category 'vessel' of 2 annotations")
    assert "vessels" in finding


def test_pixels_outside_need_a_class(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_set(root, [])
    with pytest.raises(ParamsError, match=r"data\.background: .* ignore or to one of cell, vessel"):
        find(root, "coco", classes=["cell", "vessel"])


def test_an_image_that_the_file_does_not_name_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "raw"
    write_set(root, [])
    write_images(root, "images/b.png")
    items, inventory = find(root, "coco")
    assert [item.id for item in items] == ["a"]
    assert set(inventory.left.values()) == {"an image without annotations"}
    assert "1 images have no annotations" in caplog.text


@pytest.mark.parametrize(
    ("annotation", "code", "words"),
    [
        ({"bbox": [0, 0, 2, 2]}, "E118", "1 objects have a box but no outline"),
        ({"segmentation": []}, "E118", "1 objects have a box but no outline"),
        (
            {"segmentation": {"counts": [5], "size": [12, 16]}},
            "E116",
            "a.png: run lengths of 5 pixels",
        ),
        ({"segmentation": {"counts": [6], "size": [2, 3]}}, "E116", "a.png: run lengths of 2x3"),
    ],
)
def test_what_cannot_be_drawn_is_a_finding(
    tmp_path: Path, annotation: dict[str, Any], code: str, words: str
) -> None:
    root = tmp_path / "raw"
    write_set(root, [annotation])
    write_images(root, "b.png")
    write_json(root / "more.json", coco(["b.png"], []))
    _, inventory = find(root, "coco")
    (finding,) = inventory.findings
    assert finding.startswith(f"{code} annotations.json: ")
    assert words in finding


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        ({"category_id": 4, "segmentation": [box(0, 0, 2, 2)]}, "no category has the id 4"),
        ({"image_id": 7, "segmentation": [box(0, 0, 2, 2)]}, "no image has the id 7"),
        ({"segmentation": [[0, 0, 1]]}, "found 3 coordinates"),
        ({"segmentation": [[0, "x", 1, 2]]}, "segmentation: outlines.0.1"),
        ({"segmentation": [[0, float("nan"), 1, 2]]}, "outlines.0.1"),
        ({"segmentation": {"counts": [1.5], "size": [1, 1]}}, "counts"),
        ({"image_id": None}, "image_id"),
    ],
)
def test_a_file_that_is_wrong_is_refused_in_one_line(
    tmp_path: Path, annotation: dict[str, Any], words: str
) -> None:
    root = tmp_path / "raw"
    write_set(root, [annotation])
    with pytest.raises(DataError, match=r"E116 annotations\.json: annotations\.0") as refused:
        find(root, "coco")
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_outlines_of_two_points_cover_nothing_and_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "raw"
    write_set(root, [{"segmentation": [[0, 0, 9, 9], box(1, 1, 2, 2)]}])
    items, inventory = find(root, "coco")
    assert label_maps(items)["a"].sum() == 1
    assert not inventory.findings
    assert "1 outlines with fewer than three points" in caplog.text


def test_images_that_are_missing_are_one_finding(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_images(root, "a.png")
    write_json(root / "annotations.json", coco(["a.png", "b.png", "c.png"], []))
    _, inventory = find(root, "coco")
    (finding,) = inventory.findings
    assert "2 (b.png, c.png) of its 3 images are not below data.path" in finding


def test_an_image_in_two_files_is_a_finding(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_images(root, "a.png")
    for name in ("instances", "keypoints"):
        write_json(root / f"{name}.json", coco(["a.png"], []))
    _, inventory = find(root, "coco")
    (finding,) = inventory.findings
    assert finding.startswith("E113 keypoints.json: a.png is annotated in instances.json too")


def test_a_set_without_a_file_of_coco_says_so(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_images(root, "a.png")
    write_json(root / "a.json", {"shapes": []})
    with pytest.raises(
        DataError, match=r"E114 .* no JSON file has annotations and categories and images"
    ):
        find(root, "coco")


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\ufeff{]"])
def test_a_file_that_is_no_json_is_refused(tmp_path: Path, text: str) -> None:
    root = tmp_path / "raw"
    write_images(root, "a.png")
    (root / "a.json").write_text(text)
    with pytest.raises(DataError, match=r"E116 a\.json: "):
        find(root, "coco")


def test_sizes_that_differ_from_the_image_are_found_by_the_scan(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_set(root, [], height=24, width=32)
    params = params_of(root, "coco")
    items, _ = find(root, "coco")
    table = scan(items, params.data, roots=raw_roots("coco", root, tmp_path / "work"))
    assert (table["height"][0], table["label_height"][0]) == (12, 24)


def test_a_split_without_test_images_is_refused_and_lists_cure_it(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    names = ["a.png", "b.png", "c.png"]
    write_images(root, *names)
    write_json(root / "instances_train.json", coco(names[:2], []))
    write_json(root / "instances_val.json", coco(names[2:], []))
    with pytest.raises(DataError, match=r"E126 .* but test is missing"):
        find(root, "coco")
    for split, name in zip(("train", "val", "test"), names, strict=True):
        (root / "splits").mkdir(exist_ok=True)
        (root / "splits" / f"{split}.txt").write_text(name)
    assert [item.split for item in find(root, "coco")[0]] == ["train", "val", "test"]
