"""A training ends when validations stop improving, at the same step after a kill, and says why."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ocrnet.config import RetrainParams
from ocrnet.training import train
from ocrnet.training.best import SCORES_FILE
from ocrnet.training.step import SegmenterTrainer, StepValues
from ocrnet.training.train import SegmenterRun
from tests.base_params import section_with
from tests.ocrnet.conftest import toy_params
from tests.ocrnet.killed import KilledError, killed_at
from tests.ocrnet.training.test_train import run

SCORES = {2: 0.3, 4: 0.5, 6: 0.4, 8: 0.5, 10: 0.6, 12: 0.7}  # step -> mIoU; equal is not better
WRITTEN = ("weights.safetensors", "model.json", "metrics.jsonl", "metrics.json", SCORES_FILE)


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each validation the score of its step: one class, of which this share of 1000 pixels is found."""
    take_step = SegmenterRun.take_step
    now = [0]

    def noted(self: SegmenterRun, step: int) -> None:
        now[0] = step + 1
        take_step(self, step)

    def score(*_: object, **__: object) -> np.ndarray:
        found = round(1000 * SCORES[now[0]])
        confusion = np.zeros((3, 3), dtype=np.int64)
        confusion[0, :2] = found, 1000 - found
        return confusion

    monkeypatch.setattr(SegmenterRun, "take_step", noted)
    monkeypatch.setattr(train, "score_folder", score)


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take no time for a step: the scores are scripted."""
    monkeypatch.setattr(SegmenterTrainer, "step", lambda *_: StepValues(0.5, 0.1))


def recipe(patience: int, **train: object) -> dict[str, object]:
    return {"steps": 12, "val_interval": 2, "patience": patience, **train}


def training_of(out: Path) -> dict[str, Any]:
    """Return what the card of a bundle says of its training."""
    training: dict[str, Any] = json.loads((out / "model.json").read_text())["training"]
    return training


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize(
    ("patience", "ends", "best"), [(0, 12, 12), (1, 6, 4), (2, 8, 4), (3, 12, 12)]
)
def test_it_ends_after_so_many_validations_that_are_no_better(
    toy_set: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    patience: int, ends: int, best: int,
) -> None:  # fmt: skip
    with caplog.at_level(logging.INFO):
        out = run(toy_params(**recipe(patience)), toy_set, tmp_path / "out")
    training = training_of(out)
    assert (training["steps"], training["best_step"]) == (ends, best)
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics.get("train/steps") == (ends if patience else None)
    assert metrics["val/mIoU"] == SCORES[best]
    early = [text for text in caplog.messages if "ends early" in text]
    if ends == 12:
        assert early == []
    else:
        (line,) = early
        assert f"step  {ends}/12  ends early: {patience} validations" in line
        assert "not better than 0.5000 at step 4 (train.patience" in line


def test_a_killed_run_ends_early_at_the_same_step(toy_set: Path, tmp_path: Path) -> None:
    params = toy_params(**recipe(2, checkpoint_interval=4))
    whole = run(params, toy_set, tmp_path / "whole" / "out")
    with killed_at(SegmenterTrainer, 7):  # the last step, after the checkpoint of step 4
        run(params, toy_set, tmp_path / "killed" / "out")
    resumed = run(params, toy_set, tmp_path / "killed" / "out")
    for name in WRITTEN:
        assert (resumed / name).read_bytes() == (whole / name).read_bytes(), name


@pytest.mark.usefixtures("idle")
def test_a_run_that_was_killed_when_it_had_ended_takes_no_further_step(
    toy_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint of step 8 holds a training that is over, whose bundle was not written."""
    params = toy_params(**recipe(2, checkpoint_interval=4))

    def die(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(SegmenterRun, "write", die)
        with pytest.raises(KilledError):
            run(params, toy_set, tmp_path / "out")
    monkeypatch.setattr(SegmenterTrainer, "step", die)
    assert training_of(run(params, toy_set, tmp_path / "out"))["steps"] == 8


def test_a_patience_that_outlasts_the_training_is_warned_about(
    toy_set: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train.warn_of_idle_patience(toy_params(**recipe(4)).train)
    assert caplog.messages == []
    train.warn_of_idle_patience(toy_params(**recipe(5)).train)
    assert "train.patience 5 has no effect" in caplog.text


def test_the_share_of_real_samples_is_that_of_the_steps_that_were_taken() -> None:
    """Half of 8 samples are real in the first 6 of 12 steps: 24 of 48 after these, 40 of 64 after 8 steps."""
    mix = section_with(RetrainParams, real_fraction=0.5, real_tail=0.5)
    params = toy_params(**recipe(2, batch_size=8)).train
    assert mix.real_share(params, taken=6) == pytest.approx(24 / 48)
    assert mix.real_share(params, taken=8) == pytest.approx(40 / 64)
    assert mix.real_share(params) == mix.real_share(params, taken=12) == pytest.approx(72 / 96)
