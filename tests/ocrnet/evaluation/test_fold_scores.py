"""Out-of-fold scores, and the folds as one model on the test split."""

import json
import shutil
from pathlib import Path

import pytest

from ocrnet.data.manifest import ClassTable
from ocrnet.errors import DataError
from ocrnet.evaluation.fold_scores import read_folds
from ocrnet.report import render_report
from ocrnet.report.folds import fold_section
from tests.ocrnet.evaluation.evaluated import list_of, params_of, read, run, write_world
from tests.ocrnet.report.test_report import Page

# IoU 6/8, 2/4 and 1/1 give 0.75 in the first fold. The second has no pixel of the third class: 4/6 and 4/6.
CONFUSIONS = ([[6, 1, 0], [1, 2, 0], [0, 0, 1]], [[4, 1, 0], [1, 4, 0], [0, 0, 0]])
NAMES = ("a", "b", "c")


def write_fold(data: Path, number: int, confusion: list[list[int]]) -> None:
    folder = data / "train_fold" / str(number)
    folder.mkdir(parents=True, exist_ok=True)
    scores = {"fold": number, "images": 4, "groups": 3, "confusion": confusion}
    (folder / "fold_scores.json").write_text(json.dumps(scores))


def test_the_mean_is_over_folds_and_the_total_over_pixels(tmp_path: Path) -> None:
    for number, confusion in enumerate(CONFUSIONS, start=1):
        write_fold(tmp_path, number, confusion)
    found = read_folds(tmp_path, (1, 2), NAMES)
    assert found is not None
    assert [row["miou"] for row in found["folds"]] == [pytest.approx(0.75), pytest.approx(2 / 3)]
    assert found["folds"][1]["iou"][2] is None
    assert found["mean"] == pytest.approx((0.75 + 2 / 3) / 2)
    assert found["deviation"] == pytest.approx((0.75 - 2 / 3) / 2**0.5)
    # Together 10 of 14, 6 of 10 and 1 of 1 pixels: not the mean of the folds.
    assert found["iou"] == [pytest.approx(10 / 14), pytest.approx(6 / 10), pytest.approx(1.0)]
    assert found["miou"] == pytest.approx((10 / 14 + 6 / 10 + 1) / 3)
    assert read_folds(tmp_path, (), NAMES) is None


def test_the_page_has_a_row_per_fold_and_one_of_all_images(tmp_path: Path) -> None:
    for number, confusion in enumerate(CONFUSIONS, start=1):
        write_fold(tmp_path, number, confusion)
    classes = ClassTable(NAMES, ((0, 0, 0), (1, 1, 1), (2, 2, 2)), 255)
    section = fold_section({"folds": read_folds(tmp_path, (1, 2), NAMES)}, classes)
    assert section is not None
    assert [row["name"] for row in section["rows"]] == ["fold 1", "fold 2"]
    assert section["rows"][0]["values"] == ["75.0 %", "75.0 %", "50.0 %", "100.0 %"]
    assert section["all"] == {
        "images": "8", "groups": "6", "values": ["77.1 %", "71.4 %", "60.0 %", "100.0 %"],
    }  # fmt: skip
    one = fold_section({"folds": read_folds(tmp_path, (2,), NAMES)}, classes)
    assert one is not None
    assert one["mean"] == "66.7 %"  # one fold has no deviation
    assert fold_section({}, classes) is None


def test_a_fold_that_was_not_trained_or_has_other_classes_is_named(tmp_path: Path) -> None:
    write_fold(tmp_path, 1, CONFUSIONS[0])
    with pytest.raises(DataError, match=r"train_fold/2/fold_scores.json: the file is missing"):
        read_folds(tmp_path, (1, 2), NAMES)
    with pytest.raises(DataError, match=r"train_fold@1: the scores are of 3 classes, .* has 2"):
        read_folds(tmp_path, (1,), NAMES[:2])


def test_folds_are_shown_with_their_ensemble_and_decide_nothing(tmp_path: Path) -> None:
    write_world(tmp_path)
    without = run(tmp_path, params_of())
    before = read(tmp_path, "challenger.json"), read(tmp_path, "scores.json")
    assert "folds" not in before[1]
    for number, confusion in enumerate(CONFUSIONS, start=1):
        shutil.copytree(tmp_path / "train/0", tmp_path / "train_fold" / str(number))
        write_fold(tmp_path, number, confusion)
    metrics = run(tmp_path, params_of(folds=[1, 2]))
    scores = read(tmp_path, "scores.json")
    assert read(tmp_path, "challenger.json") == before[0]
    assert {name: value for name, value in scores.items() if name != "folds"} == {
        **before[1],
        "ensembles": scores["ensembles"],
    }
    assert {name: metrics[name] for name in without} == without
    (ensemble,) = list_of(scores, "ensembles")
    assert (ensemble["model"], ensemble["seeds"]) == ("train_fold-ensemble", [1, 2])
    # Both folds of this world are the baseline, and so is their mean.
    assert metrics["test/train_fold-ensemble/mIoU"] == metrics["test/train-0/mIoU"]
    assert metrics["fold/1/mIoU"] == pytest.approx(0.75)
    assert metrics["fold/mean_mIoU"] == pytest.approx((0.75 + 2 / 3) / 2)
    text = Page(render_report(tmp_path)).text
    for words in (
        "Folds of the training images",
        "fold 2",
        "70.8 % ± 5.9 %",
        "train_fold-ensemble",
    ):
        assert words in text
