"""The study of heads: cells are kept, gone on with or done anew as they should, and the table says what they hold."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from benchmarks import heads_cells
from benchmarks.heads import main, read_params
from benchmarks.heads_table import Scored, make_table
from ocrnet.errors import DataError, ParamsError
from ocrnet.metrics import miou
from ocrnet.training.dataset import TrainBatch
from ocrnet.training.trainer import Trainer
from tests.ocrnet.conftest import toy_params, write_toy_set

ARCHS = ("ocrnet", "unet")
SEEDS = (0, 1)
CELLS = [f"{arch}-{seed}" for arch in ARCHS for seed in SEEDS]
FILES = (
    "weights.safetensors", "model.json", "metrics.jsonl", "metrics.json", "val_scores.json", "record.json",
    "test.npz", "cell.json",
)  # fmt: skip


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a prepared set and params."""
    folder = tmp_path_factory.mktemp("study")
    write_toy_set(folder / "prepared", counts={"train": 8, "val": 2, "test": 8})
    values = toy_params(steps=4, val_interval=2).model_dump(mode="json", by_alias=True)
    values["model"] |= {"backbone": "resnet18"}
    YAML().dump(values, folder / "params.yaml")
    return folder


def study(workspace: Path, out: Path, *options: str) -> int:
    return main([
        "--data", str(workspace / "prepared"), "--params", str(workspace / "params.yaml"), "--out", str(out),
        "--archs", *ARCHS, "--seeds", *map(str, SEEDS), "--rounds", "1", *options,
    ])  # fmt: skip


@pytest.fixture(scope="module")
def whole(workspace: Path) -> Path:
    """Return the folder of a study that nothing stopped."""
    out = workspace / "whole"
    assert study(workspace, out) == 0
    return out


def test_the_table_has_a_row_per_head_and_its_figures(whole: Path) -> None:
    lines = (whole / "table.md").read_text().splitlines()
    head, _, *rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("|")]
    assert [row[0] for row in rows] == list(ARCHS)
    assert all(len(row) == len(head) for row in rows)
    for row in rows:
        scores = []
        for seed in SEEDS:
            with np.load(whole / f"{row[0]}-{seed}" / "test.npz") as test:
                scores.append(100 * miou(test["confusions"].sum(axis=0)))
        assert row[5:7] == [f"{score:.2f}" for score in scores]
        assert row[4] == f"{sum(scores) / 2:.2f}"
    assert rows[0][2] == "1.00"
    gap = re.fullmatch(r"(\S+) \[(\S+), (\S+)\]", rows[1][7])
    assert gap
    value, low, high = map(float, gap.groups())
    assert value == pytest.approx(float(rows[0][4]) - float(rows[1][4]), abs=0.011)
    assert low <= value <= high


def test_the_scores_of_a_cell_are_of_every_test_image(whole: Path) -> None:
    cell = Scored.read(whole / "unet-1")
    assert cell is not None
    assert cell.ids == tuple(f"test_{index:02d}" for index in range(8))
    assert (cell.confusions.sum(axis=(1, 2)) == 62 * 80).all()  # two rows of 64 are ignored
    assert cell.miou == pytest.approx(miou(cell.confusions.sum(axis=0)))


class KilledError(Exception):
    """Stands for a SIGKILL in the middle of a cell."""


def test_a_killed_study_goes_on_to_the_same_files(
    workspace: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the third cell after a checkpoint, and then between training and scoring of the last."""
    out = tmp_path / "killed"
    advance, score = Trainer.advance, heads_cells._score

    def advance_or_die(self: Trainer, batch: TrainBatch) -> None:
        done = sorted(path.parent.name for path in out.glob("*/cell.json"))
        if len(done) == 2 and self.step == 3:
            raise KilledError
        advance(self, batch)

    def score_or_die(cell: heads_cells.Cell) -> float:
        if cell.name == "unet-1":
            raise KilledError
        return score(cell)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "advance", advance_or_die)
        with pytest.raises(KilledError):
            study(workspace, out)
        assert (out / "ocrnet-1" / "checkpoint" / "checkpoint.pt").exists()
    with monkeypatch.context() as patch:
        patch.setattr(heads_cells, "_score", score_or_die)
        with pytest.raises(KilledError):
            study(workspace, out)
    assert study(workspace, out) == 0
    for cell in CELLS:
        for name in FILES:
            assert (out / cell / name).read_bytes() == (whole / cell / name).read_bytes(), name


def test_cells_that_are_done_are_left_and_changed_ones_told_and_done_anew(
    workspace: Path, whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "again"
    shutil.copytree(whole, out)
    changed = json.loads((out / "unet-0" / "record.json").read_text())
    changed["params"]["train.lr"] = 0.5
    (out / "unet-0" / "record.json").write_text(json.dumps(changed))
    before = {cell: (out / cell / "weights.safetensors").stat().st_mtime_ns for cell in CELLS}
    with caplog.at_level("INFO"):
        assert study(workspace, out) == 0
    after = {cell: (out / cell / "weights.safetensors").stat().st_mtime_ns for cell in CELLS}
    assert [cell for cell in CELLS if before[cell] != after[cell]] == ["unet-0"]
    assert "unet-0: done anew, for these changed: train.lr 0.5 -> 0.002" in caplog.messages
    assert "ocrnet-1: done before" in caplog.messages
    for name in FILES:
        assert (out / "unet-0" / name).read_bytes() == (whole / "unet-0" / name).read_bytes(), name


def test_the_table_is_made_again_without_models(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "copy"
    shutil.copytree(whole, out, ignore=shutil.ignore_patterns("*.safetensors", "model.json"))
    (out / "unet-1" / "cell.json").unlink()
    assert main(["--out", str(out), "--archs", *ARCHS, "--seeds", "0", "--table"]) == 0
    assert (out / "table.md").read_text().count("\n| ") == 3
    table = make_table(out, archs=ARCHS, seeds=SEEDS)
    assert "Not done: unet-1." in table
    with pytest.raises(DataError, match="no cell of fcn is done"):
        make_table(out, archs=["fcn"], seeds=SEEDS)


def test_params_are_replaced_by_dotted_keys(workspace: Path) -> None:
    path = workspace / "params.yaml"
    params = read_params(
        path, ["train.lr=0.25", "data.crop_size=[32, 48]", "model.pretrained=true"]
    )
    assert params.train.lr == 0.25
    assert params.data.crop_size == (32, 48)
    assert params.model.pretrained is True
    assert read_params(path, []).train == toy_params(steps=4, val_interval=2).train
    for wrong, message in (
        ("train.rate=1", r"train\.rate: unknown key"),
        ("trian.lr=1", r"--set trian\.lr=1: trian\.lr is no key"),
        ("train.lr", r"Write it as train\.lr=0\.01"),
        ("train.lr=[", "not YAML"),
    ):
        with pytest.raises(ParamsError, match=message):
            read_params(path, [wrong])


def test_a_wrong_name_is_told_before_anything_runs(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "weights.pth"
    weights.touch()
    assert study(workspace, tmp_path / "out", "--set", f"model.pretrained={weights}") == 2
    assert "unet has no backbone" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
