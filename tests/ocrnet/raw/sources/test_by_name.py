"""The source `by_name`: words in paths tell images and label maps apart."""

from pathlib import Path

import pytest

from ocrnet.auto_config.layout import detect_source
from ocrnet.errors import DataError
from tests.ocrnet.raw.raw_sets import save, stripes

from .annotated import find, write_images

LAYOUTS = {  # what users of other programs have
    "a suffix in one folder": ("{}.jpg", "{}_mask.png"),
    "a suffix in two folders": ("images/{}.jpg", "masks/{}_mask.png"),
    "two suffixes": ("data/{}_image.png", "data/{}_label.png"),
    "DeepGlobe": ("{}_sat.jpg", "{}_mask.png"),
    "other names of folders": ("img/{}.jpg", "gt/{}.png"),
    "folders below": ("lab/imgs/part 1/{}.jpg", "lab/label_maps/part 1/{}-seg.png"),
}
SPLIT_FIRST = {
    "split above": ("{}/images/{}.jpg", "{}/masks/{}.png"),
    "split below": ("images/{}/{}.jpg", "labels/{}/{}_labels.png"),
    "split alone": ("{}/{}.jpg", "{}/{}_mask.png"),
}


def write(root: Path, image: str, label_map: str) -> None:
    write_images(root, image)
    save(root / label_map, stripes())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_words_of_images_and_label_maps_are_left_out_of_names(tmp_path: Path, layout: str) -> None:
    root = tmp_path / "raw"
    image, label_map = LAYOUTS[layout]
    for stem in ("a1", "b_2"):
        write(root, image.format(stem), label_map.format(stem))
    items, inventory = find(root, "by_name")
    assert [(item.id, item.image, item.label_map) for item in items] == [
        (stem, root / image.format(stem), root / label_map.format(stem)) for stem in ("a1", "b_2")
    ]
    assert not inventory.findings
    assert detect_source(root) == "by_name"


@pytest.mark.parametrize("layout", SPLIT_FIRST)
def test_folders_publish_a_split_in_either_order(tmp_path: Path, layout: str) -> None:
    root = tmp_path / "raw"
    for split in ("train", "valid", "test"):
        write(root, *(one.format(split, f"a_{split}") for one in SPLIT_FIRST[layout]))
    items, _ = find(root, "by_name")
    assert {item.id: item.split for item in items} == {
        "a_train": "train", "a_valid": "val", "a_test": "test",
    }  # fmt: skip


def test_stems_that_repeat_take_their_folders_along(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    for part in ("one", "two"):
        write(root, f"{part}/images/a.jpg", f"{part}/masks/a.png")
    assert [item.id for item in find(root, "by_name")[0]] == ["one-a", "two-a"]


def test_an_image_without_a_label_map_stays_in_the_set_and_is_told_by_the_scan(
    tmp_path: Path,
) -> None:
    root = tmp_path / "raw"
    write(root, "a.jpg", "a_mask.png")
    write_images(root, "b.jpg")
    assert [item.label_map for item in find(root, "by_name")[0]] == [root / "a_mask.png", None]


def test_two_files_with_one_name_are_a_finding(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write(root, "a.jpg", "a_mask.png")
    save(root / "masks/a.png", stripes())
    _, inventory = find(root, "by_name")
    (finding,) = inventory.findings
    assert "a_mask.png and masks/a.png are both the label map 'a'" in finding


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["a.jpg"], "1 images and 0 label maps. Put label maps into a folder such as masks/"),
        (["a.jpg", "b_mask.png"], "no two have one name (a.jpg, b_mask.png)"),
        ([], "0 images and 0 label maps"),
    ],
)
def test_files_that_do_not_match_are_refused(tmp_path: Path, files: list[str], words: str) -> None:
    root = tmp_path / "raw"
    root.mkdir()
    write_images(root, *files)
    with pytest.raises(DataError, match="E114 ") as refused:
        find(root, "by_name")
    assert words in str(refused.value)


def test_a_split_that_lacks_test_images_is_refused_and_lists_cure_it(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    for split, stem in (("train", "a"), ("train", "b"), ("val", "c")):
        write(root, f"{split}/images/{stem}.jpg", f"{split}/masks/{stem}.png")
    with pytest.raises(DataError, match=r"E126 .*test is missing"):
        find(root, "by_name")
    for split, stem in (("train", "a"), ("val", "b"), ("test", "c")):
        path = root / "splits" / f"{split}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(stem)
    assert [item.split for item in find(root, "by_name")[0]] == ["train", "val", "test"]
