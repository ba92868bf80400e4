"""The source `yolo`: a text file of outlines beside each image."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocrnet.errors import DataError
from tests.ocrnet.raw.raw_sets import noise, save

from .annotated import SIZE, find, label_maps, write_images

OUTLINE = (
    "0 0.0625 0.25 0.25 0.25 0.25 0.5 0.0625 0.5"  # columns 1 to 3, rows 3 to 5 of 12 x 16 pixels
)


def write_yolo(root: Path, texts: dict[str, str], names: str = "names: [cell, vessel]\n") -> None:
    """Write images and text files; a key is the path of the image."""
    write_images(root, *texts)
    for image, text in texts.items():
        path = (root / image.replace("images", "labels")).with_suffix(".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "data.yaml").write_text(names)


@pytest.mark.parametrize("names", ["names: [cell, vessel]\n", "nc: 2\nnames:\n  0: cell\n  1: vessel\n"])  # fmt: skip
def test_shares_of_the_image_become_pixels(tmp_path: Path, names: str) -> None:
    root = tmp_path / "raw"
    write_yolo(root, {"images/a.png": f"{OUTLINE}\n1 0.5 0.5 1 0.5 1 1 0.5 1\n"}, names)
    items, inventory = find(root, "yolo")
    expected = np.zeros(SIZE, dtype=np.uint8)
    expected[3:6, 1:4] = 1
    expected[6:, 8:] = 2
    assert np.array_equal(label_maps(items)["a"], expected)
    assert not inventory.findings


def test_outlines_of_a_rotated_photo_are_those_of_the_photo_as_it_is_shown(tmp_path: Path) -> None:
    """Labelling tools show a photo upright; its file has the other sides, and a flag."""
    root = tmp_path / "raw"
    write_yolo(root, {"images/a.jpg": "0 0 0 1 0 1 0.5 0 0.5"})
    flag = Image.Exif()
    flag[274] = 6
    save(root / "images/a.jpg", noise(0, (*SIZE, 3)), exif=flag)
    drawn = label_maps(find(root, "yolo", exif="apply")[0])["a"]
    assert drawn.shape == (16, 12)
    assert drawn[:8].all()
    assert not drawn[8:].any()


def test_an_image_that_cannot_be_read_is_a_finding_beside_those_of_others(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_yolo(root, {f"images/{stem}.png": OUTLINE for stem in "abc"})
    for stem in "ab":
        (root / f"images/{stem}.png").write_bytes(b"no image")
    items, inventory = find(root, "yolo")
    assert [item.id for item in items] == ["c"]
    assert [finding[:18] for finding in inventory.findings] == [
        "E121 images/a.png ", "E121 images/b.png ",
    ]  # fmt: skip
    assert set(inventory.left.values()) >= {"its label map cannot be drawn"}


def test_names_may_come_from_a_list(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_yolo(root, {"a.png": OUTLINE})
    (root / "data.yaml").unlink()
    with pytest.raises(DataError, match=r"E114 .* no file names the categories"):
        find(root, "yolo")
    (root / "classes.txt").write_text("cell\nvessel\n")
    assert label_maps(find(root, "yolo")[0])["a"].sum() == 9


def test_an_image_without_a_text_file_shows_no_object(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "raw"
    write_yolo(root, {"images/a.png": OUTLINE, "images/b.png": ""})
    (root / "labels/b.txt").unlink()
    items, _ = find(root, "yolo")
    assert not label_maps(items)["b"].any()
    assert "1 images have no text file" in caplog.text


@pytest.mark.parametrize("shape", ["{}/images/{}.png", "images/{}/{}.png"])
def test_folders_publish_a_split(tmp_path: Path, shape: str) -> None:
    root = tmp_path / "raw"
    write_yolo(
        root, {shape.format(split, f"a_{split}"): OUTLINE for split in ("train", "valid", "test")}
    )
    items, _ = find(root, "yolo")
    assert {item.id: item.split for item in items} == {
        "a_train": "train", "a_valid": "val", "a_test": "test",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("0 0.5 0.5 0.2 0.2", "E118", "1 objects have a box"),
        ("2 0 0 1 0 1 1", "E116", "the category 2 has no name"),
        ("0 0 0 1 0 1", "E116", "found 5 coordinates"),
        ("cell 0 0 1 0 1 1", "E116", "found 'cell 0 0"),
        ("0 0 0 640 0 640 480", "E116", "between 0 and 1"),
        ("0 0 0 nan 0 1 1", "E116", "between 0 and 1"),
    ],
)
def test_a_line_that_is_no_outline_is_a_finding(
    tmp_path: Path, line: str, code: str, words: str
) -> None:
    root = tmp_path / "raw"
    write_yolo(root, {"images/a.png": f"{OUTLINE}\n{line}\n"})
    _, inventory = find(root, "yolo")
    (finding,) = inventory.findings
    assert finding.startswith(f"{code} labels/a.txt")
    assert words in finding
