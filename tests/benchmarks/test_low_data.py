"""The low-data study: its table, curve and page say what the scores hold, and other params have another folder."""

import argparse
import json
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from benchmarks import low_data
from benchmarks.low_data_groups import Group
from benchmarks.low_data_variants import VARIANTS
from ocrnet.config.params_file import load_params
from ocrnet.evaluation.scoring import Cell
from ocrnet.report.curve import hash_ids
from pipelines._work_folders.values import with_values
from pipelines._work_folders.work_folder import place_data
from tests.ocrnet.conftest import toy_params

from .toy_scores import IMAGES, write_prepared, write_scores

SKILL = {"train": 0.5, "gan": 0.7, "copy_paste": 0.6}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a folder with a raw set and params."""
    (tmp_path / "raw").mkdir()
    values = toy_params(steps=4, val_interval=2).model_dump(mode="json", by_alias=True)
    values["evaluate"] |= {"bootstrap": 100}
    YAML().dump(values, tmp_path / "params.yaml")
    YAML().dump({"data.allow_duplicates": True}, tmp_path / "set.yaml")
    return tmp_path


def options(workspace: Path, *more: str) -> list[str]:
    return [
        "--data", str(workspace / "raw"), "--params", str(workspace / "params.yaml"),
        "--dataset", str(workspace / "set.yaml"), "--out", str(workspace / "out"),
        "--seeds", "0", "1", "--arms", *SKILL, *more,
    ]  # fmt: skip


def groups(workspace: Path, *more: str) -> dict[str, Group]:
    """Return the fractions and variants of a study by name."""
    given: argparse.Namespace = low_data._parser().parse_args(options(workspace, *more))
    fractions, variants = low_data._groups(given, place_data(low_data.read_params(given))[0])
    return {group.name: group for group in [*fractions.values(), *(one for one, _ in variants)]}


def table(workspace: Path, *more: str) -> str:
    assert low_data.main(options(workspace, "--table", *more)) == 0
    return (workspace / "out" / "table.md").read_text()


def test_the_table_says_what_the_scores_hold(workspace: Path) -> None:
    half = groups(workspace, "--fractions", "0.5")["50 %"]
    write_scores(half, SKILL)
    write_prepared(half, 4)
    text = table(workspace, "--fractions", "0.5")
    assert "## 50 %, 4 training images" in text
    rows = {}
    for line in text.splitlines():
        parts = line.strip("| ").split(" | ")
        if parts[0] in SKILL:
            rows[parts[0]] = parts
    assert list(rows) == list(SKILL)
    for arm, row in rows.items():
        each = [100 * half.miou(arm, seed) for seed in (0, 1)]
        assert row[2:4] == [f"{value:.2f}" for value in each]
        assert row[1] == f"{sum(each) / 2:.2f}"
    gap = re.fullmatch(r"(\S+) \[(\S+), (\S+)\]", rows["gan"][4])
    assert gap
    assert float(gap[1]) == pytest.approx(float(rows["gan"][1]) - float(rows["train"][1]), abs=0.06)
    assert 0 < float(gap[2]) <= float(gap[1]) <= float(gap[3])
    assert rows["train"][4] == rows["copy_paste"][5] == "-"
    assert re.search(r"^The GAN pairs help: ", text, re.MULTILINE)
    assert f"paired bootstrap over {IMAGES} images, 100 resamples, widened by the spread" in text


def test_the_curve_holds_the_same_means_and_is_a_page_of_its_own(workspace: Path) -> None:
    half = groups(workspace, "--fractions", "0.5")["50 %"]
    write_scores(half, SKILL)
    write_prepared(half, 4)
    text = table(workspace, "--fractions", "0.5")
    curve = json.loads((workspace / "out" / "curve.json").read_text())
    page = (workspace / "out" / "curve.html").read_text()
    assert curve["fractions"] == [0.5]
    assert list(curve["arms"]) == list(SKILL)
    assert curve["settings"] == {"dataset": "set.yaml"}
    assert curve["test_sha256"] == hash_ids([f"test_{i:02d}" for i in range(IMAGES)])
    for arm, (point,) in curve["arms"].items():
        assert point["images"] == 4
        assert point["miou"] == pytest.approx(sum(point["seeds"].values()) / 2)
        assert f"| {arm} | {100 * point['miou']:.2f} |" in text
        assert point["low"] <= point["miou"] <= point["high"]
    assert curve["answers"]["0.5"] in page
    assert "://" not in page
    assert "<svg" in page


def test_more_real_images_are_compared_with_the_least(workspace: Path) -> None:
    fractions = ("--fractions", "1.0", "0.5")
    study = groups(workspace, *fractions)
    for group, images, skill in ((study["50 %"], 4, 0.5), (study["100 %"], 8, 0.8)):
        write_scores(group, {"train": skill})
        write_prepared(group, images)
    text = table(workspace, *fractions)
    gain = 100 * sum(study["100 %"].miou("train", s) - study["50 %"].miou("train", s) for s in (0, 1)) / 2  # fmt: skip
    row = re.search(r"^\| 100 % \| 8 training images \| (\S+) \[\S+, \S+\] \|$", text, re.MULTILINE)
    assert "| train |  | minus train of 50 % |" in text
    assert row
    assert float(row[1]) == pytest.approx(gain, abs=0.06)
    assert "| 50 % |" not in text  # not the least with itself


def test_models_without_scores_have_no_row_and_are_named(workspace: Path) -> None:
    more = ("--fractions", "0.5", "--variants", "weight_0.5")
    study = groups(workspace, *more)
    write_scores(study["50 %"], {"train": 0.5})
    text = table(workspace, *more)
    assert "| gan |" not in text
    assert "## Variant weight_0.5: retrain.synthetic_weight 0.5" in text
    assert re.search(r"Not done: 50 % gan-0, .*, weight_0\.5 copy_paste-1\.", text)


def folder(workspace: Path, **values: object) -> str:
    params = with_values(load_params(workspace / "params.yaml"), values, place="test")
    return Group("x", params, (Cell("train", 0),), Path("out")).folder.name


@pytest.mark.parametrize(
    "values",
    [
        {"prepare.train_fraction": 0.25}, {"train.lr": 0.5}, {"retrain.real_tail": 0.2},
        {"evaluate.scales": [0.5, 1.0]}, {"seeds": [1, 0]},
    ],
)  # fmt: skip
def test_params_that_change_a_score_have_a_folder_of_their_own(
    workspace: Path, values: dict[str, object]
) -> None:
    """A table would else show scores of other params until the study has run again."""
    assert folder(workspace, **values) != folder(workspace)


def test_more_models_and_another_bootstrap_stay_in_the_folder(workspace: Path) -> None:
    values = {"seeds": [0, 1, 2], "retrain.arms": ["gan", "real_twice"], "evaluate.bootstrap": 300}
    assert folder(workspace, **values) == folder(workspace)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_changes_a_param(workspace: Path, name: str) -> None:
    values = VARIANTS[name](load_params(workspace / "params.yaml"))
    assert folder(workspace, **values) != folder(workspace)


def test_what_is_wrong_is_told_in_one_line(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for option, message in (
        (("--set", "retrain.real_tial=1"), "retrain.real_tial: unknown key"),
        (("--set", "tial.x=1"), "tial.x is no key of the params"),
        (("--set", "train.lr"), "Write it as train.lr=0.01"),
        (("--set", "train.lr=["), "not YAML"),
        (("--set", "train.loss=cee"), "train.loss: 'cee' is unknown"),
        (("--fractions", "0"), "prepare.train_fraction: found 0.0"),
        (("--dataset", "nowhere.yaml"), "nowhere.yaml: no such file"),
        (("--data", "nowhere"), "nowhere: no such folder"),
        (("--table",), "No model of the study is done"),
    ):
        assert low_data.main(options(workspace, *option)) in (2, 3)  # params, data
        assert message in capsys.readouterr().err
    assert not (workspace / "out").exists()
