"""A training on unlabelled images by two processes is that of one, and continues with the same bits."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from ocrnet.checkpoint import CheckpointStore
from ocrnet.config import Params
from ocrnet.distributed.ranks import rank
from ocrnet.record import Recorder, SilentRecorder
from ocrnet.training.data import TrainingData
from ocrnet.training.step import SegmenterTrainer
from ocrnet.training.train import SegmenterRun, train_segmenter
from tests.ocrnet.conftest import write_toy_set
from tests.ocrnet.distributed.ranks import WORLD, over_ranks
from tests.ocrnet.distributed.test_ddp import params_of
from tests.ocrnet.killed import killed_at
from tests.ocrnet.training.test_mean_teacher import WRITTEN, write_unlabelled


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("with_unlabelled")
    return write_unlabelled(write_toy_set(folder, counts={"train": 8, "val": 4, "test": 4}))


def with_teacher(params: Params) -> Params:
    own = params.mean_teacher.model_copy(update={"class_share": 1.0, "ramp_up": 0.0})
    return params.model_copy(update={"mean_teacher": own})


def steps_in_float64(prepared: Path, folder: Path, **recipe: object) -> dict[str, Any]:
    """Train in float64, where rounding does not hide a wrong gradient."""
    torch.set_default_dtype(torch.float64)
    params = with_teacher(
        params_of(norm="sync", dropout=0.0, loss="ce", steps=3, log_interval=1, val_interval=3, lr=0.02,
                  optimizer="sgd", **recipe)
    )  # fmt: skip
    out = folder / str(rank())
    data = TrainingData.read(prepared, unlabelled=True)
    training = SegmenterRun(
        params, data, seed=0, recorder=Recorder(out), store=CheckpointStore(out)
    )
    training.run()
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return {
        "lines": [line for line in lines if "train/loss" in line],
        "state": training.state()["trainer"],
    }


def test_two_processes_train_like_one(prepared: Path, tmp_path: Path) -> None:
    try:
        alone = steps_in_float64(prepared, tmp_path / "alone")
    finally:
        torch.set_default_dtype(torch.float32)
    for found in over_ranks(steps_in_float64, prepared, tmp_path / "ranks", folder=tmp_path / "r"):
        for one, other in zip(alone["lines"], found["lines"], strict=True):
            assert other == pytest.approx(one, rel=1e-6)
        assert torch.equal(found["state"]["teacher"]["counts"], alone["state"]["teacher"]["counts"])
        for name, value in alone["state"]["model"].items():
            torch.testing.assert_close(found["state"]["model"][name], value, rtol=1e-5, atol=1e-7)


def interrupted(prepared: Path, folder: Path) -> Path:
    """Train with a norm whose statistics are not synchronised, whole and with an end after step 5."""
    params = with_teacher(params_of(processes=WORLD))
    _train(params, prepared, folder / "whole/out")
    with killed_at(SegmenterTrainer, 5):
        _train(params, prepared, folder / "killed/out")
    _train(params, prepared, folder / "killed/out")
    return folder


def _train(params: Params, prepared: Path, out: Path) -> None:
    train_segmenter(
        params,
        TrainingData.read(prepared, unlabelled=True),
        seed=0,
        out=out,
        recorder=Recorder(out) if rank() == 0 else SilentRecorder(),
        checkpoints=CheckpointStore(out.parent / "ck"),
    )


def test_two_processes_continue_with_the_same_bits(prepared: Path, tmp_path: Path) -> None:
    over_ranks(interrupted, prepared, tmp_path, folder=tmp_path / "r")
    for name in WRITTEN:
        whole, killed = (tmp_path / place / "out" / name for place in ("whole", "killed"))
        assert killed.read_bytes() == whole.read_bytes(), name
