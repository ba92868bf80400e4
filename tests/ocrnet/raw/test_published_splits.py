"""A split that somebody published is taken as it is or refused by name, and never drawn anew."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from ocrnet.errors import DataError
from ocrnet.raw.sources.split_names import looks_like_split, looks_like_table, split_named
from tests.ocrnet.raw.raw_sets import (
    find_set,
    make_params,
    noise,
    save,
    stripes,
    write_lists,
    write_pairs,
)

LISTED = ["train"] * 4 + ["val", "test"]


def splits_of(root: Path) -> list[str | None]:
    return [item.split for item in find_set(make_params(path=str(root)))]


def write_split_folders(root: Path, images: Sequence[str], masks: Sequence[str]) -> None:
    for i, (one, other) in enumerate(zip(images, masks, strict=True)):
        save(root / "images" / one / f"a{i}.png", noise(i))
        save(root / "masks" / other / f"a{i}.png", stripes())


def move_lists(root: Path, place: str, names: Sequence[str] = ("train", "val", "test")) -> None:
    (root / place).mkdir(parents=True, exist_ok=True)
    for old, new in zip(("train", "val", "test"), names, strict=True):
        (root / "splits" / f"{old}.txt").rename(root / f"{old}.moved").rename(
            root / place / f"{new}.txt"
        )
    if not any((root / "splits").iterdir()):
        (root / "splits").rmdir()


@pytest.mark.parametrize(
    ("place", "names"),
    [(".", ("train", "val", "test")), ("ImageSets/Segmentation", ("train", "val", "test")),
     ("splits", ("training", "validation", "testing")), ("Splits", ("Train", "VALID", "Test")),
     ("images", ("train", "val", "test"))],
)  # fmt: skip
def test_lists_of_usual_names_and_places_are_the_split(
    place: str, names: Sequence[str], tmp_path: Path
) -> None:
    write_lists(tmp_path, write_pairs(tmp_path))
    move_lists(tmp_path, place, names)
    assert splits_of(tmp_path) == LISTED


@pytest.mark.parametrize(
    "names",
    [("training", "validation", "testing"), ("Train", "Val", "Test"), ("TRAIN", "valid", "test")],
)
def test_folders_of_usual_names_are_the_split(names: Sequence[str], tmp_path: Path) -> None:
    write_split_folders(tmp_path, names, names)
    assert sorted(map(str, splits_of(tmp_path))) == ["test", "train", "val"]


def test_folders_below_others_are_the_split_and_masks_may_spell_it_otherwise(
    tmp_path: Path,
) -> None:
    write_split_folders(
        tmp_path,
        ["A/train", "B/train", "A/valid", "A/test"],
        ["A/train", "B/training", "A/val", "A/test"],
    )
    assert splits_of(tmp_path) == ["test", "train", "val", "train"]  # by path


def refused(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        find_set(make_params(path=str(root)))
    return str(caught.value)


@pytest.mark.parametrize(
    "names",
    [("training", "validation"), ("train2017", "val2017"), ("trainval", "test"), ("train", "Train", "val", "test"),
     ("train", "val", "holdout"), ("train/val", "test")],
)  # fmt: skip
def test_folders_that_are_no_whole_split_are_named(names: Sequence[str], tmp_path: Path) -> None:
    write_split_folders(tmp_path, names, names)
    text = refused(tmp_path)
    assert text.startswith("E126")
    assert f"images/{names[0]}/" in text
    assert "splits/train.txt" in text


@pytest.mark.parametrize(
    "names",
    [("trainval.txt", "test.txt"), ("train.txt",), ("split.csv",), ("train.json", "val.json", "test.json"),
     ("splits/fold1.txt",), ("train.txt", "ImageSets/val.txt")],
)  # fmt: skip
def test_lists_that_are_no_whole_split_are_named(names: Sequence[str], tmp_path: Path) -> None:
    stems = write_pairs(tmp_path)
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a0\n")
    text = refused(tmp_path)
    assert text.startswith("E126")
    assert names[0] in text
    assert "splits/train.txt" in text
    # The cure that the message names holds, whatever else lies there.
    write_lists(tmp_path, stems)
    assert splits_of(tmp_path) == LISTED


def test_lists_elsewhere_and_folders_that_publish_a_split_are_refused(tmp_path: Path) -> None:
    write_split_folders(tmp_path, ["train", "val", "test"], ["train", "val", "test"])
    write_lists(tmp_path, ["a0", "a1", "a2"])
    assert sorted(map(str, splits_of(tmp_path))) == ["test", "train", "val"]
    move_lists(tmp_path, ".")
    assert "both publish a split" in refused(tmp_path)


def test_masks_that_lie_flat_are_told_as_such(tmp_path: Path) -> None:
    write_split_folders(tmp_path, ["train", "val", "test"], [".", ".", "."])
    text = refused(tmp_path)
    assert text.startswith("E114")
    assert "images/train/a0.png" in text
    assert "masks/train/" in text


def test_names_of_scenes_are_no_splits() -> None:
    for name in (
        "train_station",
        "test_rig_1",
        "valley",
        "siteA",
        "val_de_loire",
        "contest",
        "images",
    ):
        assert not looks_like_split(name), name
    for name in (
        "train2017",
        "test_set",
        "TrainVal",
        "val-1",
        "trainaug",
        "minival",
        "training_images",
    ):
        assert looks_like_split(name), name
        assert split_named(name) is None, name
    assert [split_named(name) for name in ("Training", "VALID", "testing")] == [
        "train",
        "val",
        "test",
    ]
    assert looks_like_table("eval_partition")
    assert not looks_like_table("notes")


@pytest.mark.parametrize(
    ("encoding", "ending"),
    [("utf-8", "\r\n"), ("utf-8-sig", "\n"), ("utf-16", "\r\n"), ("utf-8", "\r")],
)
@pytest.mark.parametrize(
    "spelling", ["{}", "{}.png", "images/{}.png", "./images/{}", "images\\{}.png"]
)
def test_a_line_may_be_a_stem_a_file_or_a_path_in_any_unicode(
    spelling: str, encoding: str, ending: str, tmp_path: Path
) -> None:
    stems = write_pairs(tmp_path, 3)
    for folder in ("images", "masks"):
        (tmp_path / folder / "a0.png").rename(tmp_path / folder / "ü.b.png")
    (tmp_path / "splits").mkdir()
    for split, stem in zip(("train", "val", "test"), ("ü.b", *stems[1:]), strict=True):
        line = (spelling.format(stem) + ending).encode(encoding)
        (tmp_path / "splits" / f"{split}.txt").write_bytes(line)
    assert sorted(map(str, splits_of(tmp_path))) == ["test", "train", "val"]


@pytest.mark.parametrize(("encoding", "word"), [("latin-1", "Latin-1"), ("utf-16-le", "UTF-16")])
def test_a_list_in_another_encoding_is_refused_by_file_and_encoding(
    encoding: str, word: str, tmp_path: Path
) -> None:
    write_lists(tmp_path, write_pairs(tmp_path))
    (tmp_path / "splits" / "val.txt").write_bytes("Prüf\n".encode(encoding))
    (line,) = refused(tmp_path).splitlines()
    assert line.startswith("E114 splits/val.txt")
    assert word in line


def test_a_line_that_may_be_two_images_is_refused(tmp_path: Path) -> None:
    write_pairs(tmp_path, 3)
    for folder in ("images", "masks"):
        save(tmp_path / folder / "a0.png.png", noise(9) if folder == "images" else stripes())
    write_lists(tmp_path, ["a0.png", "a1", "a2"])
    assert "a0.png' may mean" in refused(tmp_path)
