"""The folder of unlabelled images of a set."""

from pathlib import Path

import pytest

from ocrnet.auto_config.choice import Choice
from ocrnet.auto_config.data_rules import data_choices
from ocrnet.auto_config.unlabelled_folder import find_unlabelled_folder

from .plans import CLASSES, facts_with


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (["images/a.png", "labelled/b.png"], None),
        (["unlabeled2017/a.jpg", "unlabeled2017/b.JPG"], ("unlabeled2017", 2)),
        (["more/Unlabelled_images/x/a.png", "more/Unlabelled_images/y/b.png"], ("more/Unlabelled_images", 2)),
        (["unlabelled/a.png", "no_labels/a.png", "no_labels/b.png"], ("no_labels", 2)),
        (["unlabelled/notes.txt", "unlabelled.png"], None),
        (["unlabelled/unlabelled/a.png"], ("unlabelled", 1)),
    ],
)  # fmt: skip
def test_the_folder_with_the_most_images_is_found_by_its_name(
    tmp_path: Path, files: list[str], found: tuple[str, int] | None
) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert find_unlabelled_folder(tmp_path) == found


@pytest.mark.parametrize(
    ("lacking", "held_out", "rule"),
    [(0, False, "error"), (0, True, "error"), (2, False, "unlabelled"), (2, True, "drop")],
)
def test_images_without_a_label_map_are_for_training_unless_some_show_val_or_test(
    lacking: int, held_out: bool, rule: str
) -> None:
    facts = facts_with(unlabelled=("more", 5), lacking=lacking, held_out=held_out)
    found: list[Choice] = data_choices("data/raw/mine", facts, CLASSES)[0]
    values = {one.key: one.value for one in found}
    assert values["data.without_label_map"] == rule
    assert values["data.unlabelled"] == "more"
