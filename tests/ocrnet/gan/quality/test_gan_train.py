"""A segmenter trained on painted pairs alone: what it reads, and what the command says."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from ocrnet.checkpoint import CheckpointStore
from ocrnet.data.decode import read_label_map, write_label_map
from ocrnet.data.manifest import ClassTable, read_manifest, write_manifest
from ocrnet.errors import DataError, ParamsError
from ocrnet.gan.quality.gan_train import train_on_pairs, with_steps
from ocrnet.record import Recorder, flatten, write_record
from pipelines.score_pairs import main
from tests.ocrnet.conftest import CLASSES, toy_params, write_toy_set


def write_pairs(folder: Path, *, swapped: bool = False) -> Path:
    """Write toy images as synthesized pairs; swapped, their squares are labelled floor and their floor square."""
    write_toy_set(folder, counts={"train": 6})
    table = read_manifest(folder).assign(origin="gan", weight=1.0)
    if swapped:
        for name in table["label_map"]:
            label_map = read_label_map(folder / name)
            other = np.array([1, 0, 2, *range(3, 256)], dtype=np.uint8)[label_map]
            write_label_map(folder / name, other, palette=CLASSES.palette, ignore_index=255)
        table = table.rename(columns={"px_floor": "px_square", "px_square": "px_floor"})
    write_manifest(folder, table)
    return folder


def score(pairs: Path, toy_set: Path, out: Path) -> list[float]:
    params = toy_params(steps=30, val_interval=30, lr=0.004)
    train_on_pairs(
        params, toy_set, pairs, seed=0, out=out, recorder=Recorder(out), checkpoints=CheckpointStore(out / "ck")
    )  # fmt: skip
    scores: dict[str, Any] = json.loads((out / "val_scores.json").read_text())
    return list(scores["per_class_iou"])


def test_what_is_learned_comes_from_the_pairs_alone(toy_set: Path, tmp_path: Path) -> None:
    """Pairs with two classes swapped teach the swap, though the real training split says otherwise."""
    right = score(write_pairs(tmp_path / "right"), toy_set, tmp_path / "a")
    wrong = score(write_pairs(tmp_path / "wrong", swapped=True), toy_set, tmp_path / "b")
    assert right[0] > 0.8
    assert right[1] > 0.6
    assert wrong[0] < 0.3
    assert wrong[1] < 0.3


def test_nothing_of_the_real_training_split_is_read(toy_set: Path, tmp_path: Path) -> None:
    prepared = tmp_path / "prepared"
    shutil.copytree(toy_set, prepared)
    for path in (prepared / "images").glob("train_*"):
        path.unlink()
    assert score(write_pairs(tmp_path / "pairs"), prepared, tmp_path / "out")[1] > 0.6


def test_pairs_of_other_classes_are_refused(toy_set: Path, tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs")
    ClassTable(("floor", "dot", "square"), CLASSES.palette).write(pairs)
    with pytest.raises(DataError, match="Run the stages synthesize and select on this data"):
        score(pairs, toy_set, tmp_path / "out")


def test_the_warm_up_must_fit_into_the_steps() -> None:
    with pytest.raises(ParamsError, match=r"--steps: found 2, .*train\.warmup_steps 2"):
        with_steps(toy_params(), 2)
    assert with_steps(toy_params(), 3).train.steps == 3
    assert with_steps(toy_params(), None) == toy_params()


@pytest.fixture
def workspace(toy_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with params, the toy set, pairs, and what a baseline of the same recipe leaves."""
    shutil.copytree(toy_set, tmp_path / "data" / "prepare")
    write_pairs(tmp_path / "data" / "select")
    values = toy_params().model_dump(mode="json", by_alias=True)
    with (tmp_path / "params.yaml").open("w") as file:
        YAML().dump(values, file)
    trained = tmp_path / "data" / "train" / "0"
    trained.mkdir(parents=True)
    recipe = flatten({name: values[name] for name in ("model", "train")})
    write_record(trained, stage="train@0", fingerprint="f", params=recipe)
    (trained / "metrics.json").write_text('{"val/mIoU": 0.5}')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_holds_the_score_against_a_baseline_of_the_same_recipe(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([]) == 0
    result = json.loads((workspace / "data" / "gan_train" / "0" / "gan_train.json").read_text())
    score = json.loads((workspace / "data" / "gan_train" / "0" / "metrics.json").read_text())
    assert result["gan_train/mIoU"] == score["val/mIoU"]
    assert result["gan_train/ratio"] == pytest.approx(score["val/mIoU"] / 0.5)
    assert "ratio" in capsys.readouterr().out
    assert main(["--steps", "4"]) == 0
    assert "which was trained with another train.steps)" in capsys.readouterr().out
    result = json.loads((workspace / "data" / "gan_train" / "0" / "gan_train.json").read_text())
    assert "gan_train/ratio" not in result
    assert (result["validation_images"], result["seed"]) == (4, 0)
    shutil.rmtree(workspace / "data" / "train")
    assert main([]) == 0
    assert "no baseline of seed 0" in capsys.readouterr().out


def test_a_wrong_argument_is_told_in_one_line(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--step", "x"]) == 2
    assert main(["--pairs", "nowhere"]) == 3
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("score_pairs: ") for line in lines)
