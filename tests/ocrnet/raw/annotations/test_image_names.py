"""The image that a name in an annotation file means, in the spellings of the tools."""

from pathlib import Path

import pytest

from ocrnet.raw.annotations.image_names import ImageNames
from ocrnet.raw.inventory import Inventory


@pytest.fixture
def names(tmp_path: Path) -> ImageNames:
    for name in ("a.jpg", "images/b 1.png", "train/c.jpg", "val/c.jpg", "é/d.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return ImageNames(Inventory(tmp_path))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.jpg", "a.jpg"),
        ("./a.jpg", "a.jpg"),
        ("/home/ann/project/a.jpg", "a.jpg"),
        ("C:\\data\\images\\b 1.png", "b 1.png"),
        ("images/b%201.png", "b 1.png"),
        ("/data/local-files/?d=images/b%201.png", "b 1.png"),
        ("http://host:8080/data/upload/3/1f3a77c0-a.jpg?x=1", "a.jpg"),
        ("1f3a77c0-a.jpg", "a.jpg"),
        ("e\u0301/d.png", "d.png"),
    ],
)
def test_every_spelling_finds_the_image(names: ImageNames, name: str, found: str) -> None:
    assert [path.name for path in names.find(name, beside=())] == [found]


def test_the_folder_in_the_name_decides_then_the_folder_of_the_file(names: ImageNames) -> None:
    def folders(name: str, beside: tuple[str, ...]) -> list[str]:
        return [path.parent.name for path in names.find(name, beside=beside)]

    assert folders("val/c.jpg", ("train",)) == ["val"]
    assert folders("c.jpg", ("train",)) == ["train"]
    assert folders("c.jpg", ("annotations",)) == ["train", "val"]


@pytest.mark.parametrize("name", ["x.jpg", "", "/", "notes.txt", "..", "http://[bad/a"])
def test_a_name_of_no_image_finds_nothing(names: ImageNames, name: str) -> None:
    assert names.find(name, beside=()) == []
