"""The low-data study: what is reused and what is done anew, a kill, and that the table says what the cells hold."""

import json
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from benchmarks import low_data, low_data_cells, low_data_scores, low_data_stages
from benchmarks.low_data_cells import Cell
from benchmarks.low_data_variants import VARIANTS, with_values
from ocrnet.config.params_file import load_params
from ocrnet.data.manifest import read_manifest
from ocrnet.evaluation import scoring
from ocrnet.metrics import miou
from ocrnet.report.curve import hash_ids
from ocrnet.training.dataset import TrainBatch
from ocrnet.training.trainer import Trainer
from tests.ocrnet.conftest import toy_params, write_toy_set

ARMS = ("train", "gan", "copy_paste")
RESULTS = ("table.md", "curve.json", "curve.html")
SMALL = {
    "backbone": "resnet18", "mid_channels": 16, "key_channels": 8,
}  # fmt: skip


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a raw set of two drives and params."""
    folder = tmp_path_factory.mktemp("study")
    raw = write_toy_set(folder / "raw", counts={"train": 8, "val": 4, "test": 8}, size=(64, 64))
    (raw / "label_maps").rename(raw / "masks")
    table = read_manifest(raw)
    for split, rows in table.groupby("split"):
        (raw / "splits").mkdir(exist_ok=True)
        (raw / "splits" / f"{split}.txt").write_text("".join(f"{name}\n" for name in rows["id"]))
    values = toy_params(steps=4, val_interval=2).model_dump(mode="json", by_alias=True)
    values["model"] |= SMALL
    values["train_gan"] |= {"steps": 3, "batch_size": 2, "val_interval": 2, "crop_size": [32, 32]}
    values["synthesize"] |= {"count": 4}
    values["select"] |= {"max_rejected": 1.0, "extractor": "random-conv", "near_copy": 0.0}
    values["evaluate"] |= {"bootstrap": 100}
    YAML().dump(values, folder / "params.yaml")
    YAML().dump({"data.allow_duplicates": True}, folder / "set.yaml")
    return folder


def study(workspace: Path, out: Path, *options: str) -> int:
    return low_data.main([
        "--data", str(workspace / "raw"), "--params", str(workspace / "params.yaml"), "--out", str(out),
        "--dataset", str(workspace / "set.yaml"), "--fractions", "0.5", "--seeds", "0", "1",
        *(options if "--arms" in options else ("--arms", *ARMS, *options)),
    ])  # fmt: skip


@pytest.fixture(scope="module")
def whole(workspace: Path) -> Path:
    """Return the folder of a study that nothing stopped."""
    out = workspace / "whole"
    assert study(workspace, out) == 0
    return out


def cells(out: Path) -> dict[str, int]:
    """Return when each cell that is done was, by its folder's name."""
    return {
        path.parent.name: path.stat().st_mtime_ns for path in (out / "cells").glob("*/done.json")
    }


def names(folders: object) -> list[str]:
    assert isinstance(folders, set | dict)
    return sorted(str(name).rsplit("-", 1)[0] for name in folders)


@pytest.mark.slow
def test_the_table_says_what_the_cells_hold(whole: Path) -> None:
    table = (whole / "table.md").read_text()
    assert "## 50 %, 4 training images" in table
    rows = {}
    for line in table.splitlines():
        parts = line.strip("| ").split(" | ")
        if parts[0] in ARMS:
            rows[parts[0]] = parts
    assert list(rows) == list(ARMS)
    for arm, row in rows.items():
        each = []
        for seed in (0, 1):
            (folder,) = (whole / "cells").glob(f"{arm}-{seed}-*")
            (file,) = folder.glob("test-*.npz")
            with np.load(file) as test:
                each.append(100 * miou(test["confusions"].sum(axis=0)))
                assert test["ids"].tolist() == [f"test_{i:02d}" for i in range(8)]
        assert row[2:4] == [f"{value:.2f}" for value in each]
        assert row[1] == f"{sum(each) / 2:.2f}"
    gap = re.fullmatch(r"(\S+) \[(\S+), (\S+)\]", rows["gan"][4])
    assert gap
    assert float(gap[1]) == pytest.approx(float(rows["gan"][1]) - float(rows["train"][1]), abs=0.06)
    assert float(gap[2]) <= float(gap[1]) <= float(gap[3])
    assert rows["train"][4] == rows["copy_paste"][5] == "-"
    assert re.search(r"^The GAN pairs (help|are not shown to help|do harm): ", table, re.MULTILINE)
    assert (
        "paired bootstrap over 8 images, 100 resamples, widened by the spread of the seeds" in table
    )


@pytest.mark.slow
def test_the_curve_holds_the_same_means_and_is_a_page_of_its_own(whole: Path) -> None:
    curve = json.loads((whole / "curve.json").read_text())
    page = (whole / "curve.html").read_text()
    table = (whole / "table.md").read_text()
    assert curve["fractions"] == [0.5]
    assert list(curve["arms"]) == list(ARMS)
    assert curve["settings"] == {"dataset": "set.yaml"}
    assert curve["test_sha256"] == hash_ids([f"test_{i:02d}" for i in range(8)])
    for arm, (point,) in curve["arms"].items():
        assert point["images"] == 4
        assert point["miou"] == pytest.approx(sum(point["seeds"].values()) / 2)
        assert f"| {arm} | {100 * point['miou']:.2f} |" in table
        assert point["low"] <= point["miou"] <= point["high"]
    assert curve["answers"]["0.5"] in page
    assert "://" not in page
    assert "<svg" in page


@pytest.mark.slow
def test_more_real_images_are_held_against_the_least(workspace: Path, tmp_path: Path) -> None:
    assert study(workspace, tmp_path, "--arms", "train", "--fractions", "1.0", "0.5") == 0
    table = (tmp_path / "table.md").read_text()
    means = [float(row) for row in re.findall(r"^\| train \| (\d+\.\d+) \|", table, re.MULTILINE)]
    row = re.search(
        r"^\| 100 % \| 8 training images \| (\S+) \[\S+, \S+\] \|$", table, re.MULTILINE
    )
    assert "| train |  | minus train of 50 % |" in table
    assert row
    assert float(row[1]) == pytest.approx(means[0] - means[1], abs=0.06)
    assert "| 50 % |" not in table  # not the least with itself


@pytest.mark.slow
def test_an_arm_without_scores_has_no_row_and_is_told(workspace: Path, whole: Path) -> None:
    out = workspace / "tables"
    shutil.copytree(whole, out)
    assert study(workspace, out, "--arms", *ARMS, "real_twice", "--table") == 0
    table = (out / "table.md").read_text()
    assert "| real_twice |" not in table
    assert "Not done: 50 % real_twice-0, 50 % real_twice-1." in table


def test_a_cell_that_another_process_runs_is_waited_for(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []

    def body(cell: Cell, _: object) -> None:
        ran.append(cell.name)
        time.sleep(0.3)

    monkeypatch.setitem(low_data_stages.BODIES, "prepare", body)
    cell = Cell("prepare", load_params(workspace / "params.yaml"), tmp_path)
    with ThreadPoolExecutor() as pool:
        list(pool.map(low_data_cells.run_cell, [cell, cell]))
    assert ran == ["prepare"]
    assert cell.done


@pytest.mark.slow
def test_two_processes_of_one_study_score_a_model_once(
    workspace: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "shared"
    shutil.copytree(whole, out)
    (file,) = (out / "cells").glob("gan-1-*/test-*.npz")
    file.unlink()
    score_model, scored = scoring.score_model, []

    def score_slowly(cell: scoring.Cell, *more: Any, **others: Any) -> scoring.ModelScores:
        scored.append(cell)
        time.sleep(1)  # the other one comes to the same model meanwhile
        return score_model(cell, *more, **others)

    monkeypatch.setattr(scoring, "score_model", score_slowly)
    with ThreadPoolExecutor() as pool:
        assert list(pool.map(study, [workspace] * 2, [out] * 2)) == [0, 0]
    assert scored == [scoring.Cell("gan", 1)]
    for name in RESULTS:
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name


class KilledError(Exception):
    """Stands for a SIGKILL in the middle of a cell."""


@pytest.mark.slow
def test_a_killed_study_goes_on_to_the_same_results(
    workspace: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while the second arm of the first seed trains, after a checkpoint."""
    out = tmp_path / "killed"
    advance = Trainer.advance

    def advance_or_die(self: Trainer, batch: TrainBatch) -> None:
        if self.step == 3 and "select" in names(cells(out)):
            raise KilledError
        advance(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "advance", advance_or_die)
        with pytest.raises(KilledError):
            study(workspace, out)
    before = cells(out)
    assert names(before) == ["prepare", "select", "synthesize", "train-0", "train_gan"]
    assert list((out / "cells").glob("gan-0-*/checkpoint/checkpoint.pt"))
    assert study(workspace, out) == 0
    after = cells(out)
    assert {name: after[name] for name in before} == before
    for name in RESULTS:
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name


@pytest.mark.slow
def test_only_what_depends_on_a_change_is_done_anew(
    workspace: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "again"
    shutil.copytree(whole, out)
    before = cells(out)
    assert study(workspace, out) == 0
    assert cells(out) == before
    options = ("--arms", "train", "gan", "--variants", "filter_0.15", "weight_0.5")
    monkeypatch.setattr(low_data_cells, "read_commit", lambda: "z-ran")
    monkeypatch.setattr(low_data_scores, "read_commit", lambda: "z-scored")
    assert study(workspace, out, *options) == 0
    made = set(cells(out)) - set(before)
    # A filter makes another selection and another gan arm; a weight another gan arm alone. No GAN, no baseline.
    assert names(made) == ["gan-0", "gan-0", "gan-1", "gan-1", "select"]
    table = (out / "table.md").read_text()
    assert "## Variant filter_0.15: select.real_rejection 0.15" in table
    assert re.search(r"Commits: \S+, z-ran, z-scored\.$", table, re.MULTILINE)
    shutil.rmtree(out / "cells" / sorted(before)[0])
    assert study(workspace, out, "--table") == 0
    assert (out / "table.md").read_text().count("## ") == 2  # the fraction and the GAN


def keys(workspace: Path, **values: object) -> dict[str, str]:
    """Return the key of every cell of a study with some params, nothing being run."""
    params = with_values(load_params(workspace / "params.yaml"), values, place="test")
    group = low_data.group_of("x", params, arms=["train", "gan", "gan_unselected", "copy_paste", "real_twice"],
                              cells=Path("cells"), raw="r")  # fmt: skip
    found: dict[str, str] = {}

    def note(cell: Cell) -> None:
        found[cell.name] = cell.key
        for _, read in cell.reads:
            note(read)

    for cell in group.models.values():
        note(cell)
    return found


ALL = {
    "prepare", "train-0", "train_gan", "synthesize", "select", "gan-0", "gan_unselected-0", "copy_paste-0",
    "real_twice-0",
}  # fmt: skip
SYNTHESIZED = {"synthesize", "select", "gan-0", "gan_unselected-0", "copy_paste-0"}
RETRAINED = {name for name in ALL if name.endswith("-0") and name != "train-0"}


@pytest.mark.parametrize(
    ("values", "changed"),
    [
        ({"prepare.train_fraction": 0.25}, ALL),
        ({"train.lr": 0.5}, ALL - {"prepare", "train_gan"}),
        ({"train_gan.steps": 7}, {"train_gan", *SYNTHESIZED}),
        ({"synthesize.operations": {"flip": 1.0}}, SYNTHESIZED),
        ({"select.real_rejection": 0.2}, {"select", "gan-0"}),
        ({"retrain.real_tail": 0.2}, RETRAINED),
        ({"train.workers": 3, "evaluate.bootstrap": 300, "data.path": "elsewhere"}, set()),
    ],
)  # fmt: skip
def test_a_key_is_a_function_of_what_the_cell_depends_on(
    workspace: Path, values: dict[str, object], changed: set[str]
) -> None:
    before, after = keys(workspace), keys(workspace, **values)
    assert set(before) == ALL
    assert {name for name in ALL if before[name] != after[name]} == changed


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_changes_some_cell(workspace: Path, name: str) -> None:
    params = load_params(workspace / "params.yaml")
    assert keys(workspace, **VARIANTS[name](params)) != keys(workspace)


def test_what_is_wrong_is_told_in_one_line(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    for option, message in (
        (("--set", "retrain.real_tial=1"), "retrain.real_tial: unknown key"),
        (("--set", "tial.x=1"), "tial.x is no key of the params"),
        (("--set", "train.loss=cee"), "train.loss: 'cee' is unknown"),
        (("--fractions", "0"), "prepare.train_fraction: found 0.0"),
        (("--dataset", "nowhere.yaml"), "nowhere.yaml: no such file"),
        (("--table",), "No model of the study is done"),
    ):
        assert study(workspace, out, *option) in (2, 3)  # params, data
        assert message in capsys.readouterr().err
    assert not (out / "cells").exists()
