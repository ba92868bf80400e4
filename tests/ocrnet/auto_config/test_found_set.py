"""What is found in a folder: its source, its facts, its classes."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocrnet.auto_config.classes import ClassChoice
from ocrnet.auto_config.found_set import FoundSet, find_set
from ocrnet.auto_config.layout import detect_source
from ocrnet.errors import DataError
from tests.base_params import full_values
from tests.ocrnet.raw.raw_sets import noise, save, stripes, write_lists, write_pairs


def found_in(root: Path, source: str = "folder", **options: list[ClassChoice]) -> FoundSet:
    return find_set(full_values({}), source, str(root), work=root / "work", **options)


def test_the_layout_decides_the_source(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    assert detect_source(tmp_path) == "folder"
    for split in ("train", "val", "test"):
        (tmp_path / f"{split}.txt").write_text("")
    assert detect_source(tmp_path) == "folder"
    (tmp_path / "trainannot").mkdir()
    assert detect_source(tmp_path) == "camvid"
    with pytest.raises(DataError, match=r"E114 .*missing does not exist\. Name the folder"):
        detect_source(tmp_path / "missing")


def test_the_word_demo_is_the_rendered_set_unless_there_is_such_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert detect_source(Path("demo")) == "demo"
    Path("demo").mkdir()
    assert detect_source(Path("demo")) == "folder"


def test_a_plain_folder_gives_shares_sizes_and_copies(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    shutil.copy(tmp_path / "images" / "a0.png", tmp_path / "images" / "a1.png")
    facts = found_in(tmp_path).facts
    assert facts.images == {"": 6}
    assert (facts.median_size, len(facts.sizes), facts.copies) == ((12, 16), 6, 2)
    # Columns 0, 1, 2, 0, ...: six of sixteen are of the first class.
    assert list(facts.shares.values()) == pytest.approx([6 / 16, 5 / 16, 5 / 16])
    assert facts.sides["class_1"] == pytest.approx(12**0.5)
    assert "background" not in facts.sides  # the most frequent class has no objects


def test_a_published_split_is_counted_and_needs_no_groups(tmp_path: Path) -> None:
    write_lists(tmp_path, write_pairs(tmp_path))
    facts = found_in(tmp_path).facts
    assert facts.images == {"train": 4, "val": 1, "test": 1}
    assert facts.train_images(0.15, 0.25) == 4
    assert facts.groups is None


def test_deep_turned_and_transparent_images_are_found(tmp_path: Path) -> None:
    deep = noise(0, (12, 16)).astype(np.uint16) * 16
    save(tmp_path / "images" / "a.png", deep)
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "images" / "b.png", noise(1), exif=exif)
    save(tmp_path / "images" / "c.png", noise(2, (12, 16, 4)))
    for name, size in (("a", (12, 16)), ("b", (16, 12)), ("c", (12, 16))):
        save(tmp_path / "masks" / f"{name}.png", stripes(size))
    facts = found_in(tmp_path).facts
    assert facts.value_range == (float(deep.min()), float(deep.max()))
    assert (facts.rotated, facts.transparent, facts.further_bands) == (1, 1, 0)
    assert facts.sizes == ((12, 16), (16, 12), (12, 16))  # b is upright


def test_numbers_of_objects_that_touch_are_objects_of_their_own(tmp_path: Path) -> None:
    for place in range(4):
        numbers = np.zeros((12, 16), dtype=np.uint16)
        for number in range(3 + place):
            numbers[4:6, 2 * number : 2 * number + 2] = number + 1  # a row without gaps
        save(tmp_path / "images" / f"a{place}.png", noise(place))
        save(tmp_path / "instances" / f"a{place}.png", numbers)
    found = found_in(tmp_path)
    assert found.classes.is_instances
    assert found.facts.sides == {"object": 2.0}


def test_a_known_set_gives_its_classes_where_it_knows_all_values(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    knows = ClassChoice(("sky", "road", "car"), {}, "auto", "Known.")
    lacks = ClassChoice(("sky", "road"), {}, "auto", "Known.")
    assert found_in(tmp_path, known=[lacks, knows]).classes == knows
    assert found_in(tmp_path, known=[lacks]).classes.classes == ("background", "class_1", "class_2")
