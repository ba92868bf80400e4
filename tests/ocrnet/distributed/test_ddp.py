"""A training by two processes is the training of one: same data, same curve, same resume; and it ends whole."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ocrnet.checkpoint import CheckpointStore
from ocrnet.config import Params
from ocrnet.config.params_file import parse_params
from ocrnet.distributed.launch import check_devices
from ocrnet.distributed.rank import NoRecorder
from ocrnet.errors import DataError, ParamsError
from ocrnet.record import Recorder
from ocrnet.training.best import SCORES_FILE
from ocrnet.training.dataset import ImageFolder
from ocrnet.training.job import Job
from ocrnet.training.train import train_segmenter
from ocrnet.training.trainer import Trainer, TrainingData
from tests.ocrnet.conftest import toy_params
from tests.ocrnet.distributed.ranks import WORLD, over_ranks

ROOT = Path(__file__).parents[3]
WRITTEN = ("weights.safetensors", "model.json", "metrics.jsonl", "metrics.json", SCORES_FILE)


def params_of(*, norm: str = "batch", dropout: float = 0.3, **train: object) -> Params:
    """Return params of a training that takes seconds; dropout makes a wrong seed show."""
    values = toy_params().model_dump(mode="json", by_alias=True)
    values["train"] |= train
    values["model"] |= {"backbone": "resnet18", "norm": norm, "dropout": dropout}
    return parse_params(values)


def run(params: Params, toy_set: Path, out: Path) -> Path:
    train_segmenter(
        params,
        TrainingData.read(toy_set),
        seed=0,
        out=out,
        recorder=Recorder(out),
        checkpoints=CheckpointStore(out.parent / "ck"),
    )
    return out


def curve(out: Path) -> list[float]:
    lines = map(json.loads, (out / "metrics.jsonl").read_text().splitlines())
    return [line["train/loss"] for line in lines if "train/loss" in line]


def steps_in_float64(toy_set: Path, loss: str) -> dict[str, Any]:
    """Train in float64 and return the curve, the last validation and the weights.

    In float32 two orders of adding up drift apart: flipping the batch of one process moves the loss of the fourth step
    by a hundredth here. So float64 tells a wrong gradient from rounding.
    """
    torch.set_default_dtype(torch.float64)
    params = params_of(norm="sync", dropout=0.0, loss=loss, log_interval=1, val_interval=8, lr=0.02,
                       optimizer="sgd")  # fmt: skip
    recorder = Lines()
    trainer = Trainer(params, TrainingData.read(toy_set), seed=0, recorder=recorder)
    for batch in trainer.batches():
        trainer.advance(batch)
    losses = [line["train/loss"] for line in recorder.lines if "train/loss" in line]
    confusion = trainer.state()["best"]["confusion"]
    return {"losses": losses, "confusion": confusion, "weights": trainer.model.state_dict()}


class Lines(NoRecorder):
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.lines: list[Mapping[str, float | int]] = []

    def log(self, step: int, values: Mapping[str, float | int]) -> None:
        self.lines.append(values)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["ce", "ohem + 0.5*dice"])
def test_two_processes_give_the_curve_and_the_weights_of_one(
    toy_set: Path, tmp_path: Path, loss: str
) -> None:
    (one,) = over_ranks(steps_in_float64, toy_set, loss, folder=tmp_path / "1", world=1)
    two = over_ranks(steps_in_float64, toy_set, loss, folder=tmp_path / "2")
    assert len(one["losses"]) == 8
    assert one["losses"][-1] < 0.9 * one["losses"][0]
    for part in two:
        np.testing.assert_allclose(part["losses"], one["losses"], rtol=1e-6)
        assert part["confusion"] == one["confusion"]
        for name, expected in one["weights"].items():
            torch.testing.assert_close(part["weights"][name], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_processes_that_train_starts_give_the_curve_of_one(toy_set: Path, tmp_path: Path) -> None:
    """In float32, at a rate that keeps rounding small."""
    one, two = (
        curve(
            run(
                params_of(
                    norm="sync", dropout=0.0, processes=processes, log_interval=1, lr=0.001, optimizer="sgd",
                ),
                toy_set,
                tmp_path / str(processes) / "out",
            )
        )
        for processes in (1, 2)
    )  # fmt: skip
    assert len(one) == 8
    np.testing.assert_allclose(two, one, rtol=1e-3)


COMMAND = """
import logging, sys
from pathlib import Path
from tests.ocrnet.distributed.test_ddp import params_of, run
logging.basicConfig(level=logging.INFO)
run(params_of(processes=2), Path(sys.argv[1]), Path(sys.argv[2]))
"""


def start(toy_set: Path, out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(toy_set), str(out)],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip


def ranks_of(parent: int) -> list[str]:
    """Return the command lines of the living ranks that a process started."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode().split("\0")
        except OSError:  # ended in the meantime
            continue
        if "ocrnet.distributed.rank" in words and str(parent) in words:
            lines.append(" ".join(words))
    return lines


def wait_for(what: str, condition: object, *, timeout_s: float = 240) -> None:
    assert callable(condition)
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.005)


def interrupt(toy_set: Path, out: Path, number: signal.Signals) -> int:
    """Start the training, send its process a signal after a new checkpoint, and return its exit status."""
    checkpoint = out.parent / "ck" / "checkpoint.pt"
    before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
    with start(toy_set, out) as process:

        def is_new() -> bool:
            assert process.poll() is None, "the training ended before it could be interrupted"
            return checkpoint.exists() and checkpoint.stat().st_mtime_ns != before

        try:
            wait_for("a checkpoint", is_new)
            assert len(ranks_of(process.pid)) == 2
            process.send_signal(number)
            status = process.wait(timeout=60)
            wait_for("the ranks to end", lambda: not ranks_of(process.pid), timeout_s=30)
        finally:
            process.kill()
    return status


@pytest.mark.slow
@pytest.mark.timeout(1200)  # four trainings of two processes each
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="reads processes from /proc")
def test_signals_end_all_ranks_and_the_next_run_ends_with_the_same_bits(
    toy_set: Path, tmp_path: Path
) -> None:
    whole = run(params_of(processes=2), toy_set, tmp_path / "whole" / "out")
    out = tmp_path / "broken" / "out"
    assert interrupt(toy_set, out, signal.SIGTERM) == -signal.SIGTERM
    assert interrupt(toy_set, out, signal.SIGKILL) == -signal.SIGKILL
    with start(toy_set, out) as process:
        _, told = process.communicate(timeout=240)
    assert process.returncode == 0, told
    assert "resuming at step" in told
    assert told.count("step     8/8  val/mIoU") == 1, "the first rank logs, and no other"
    for name in WRITTEN:
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name
    assert CheckpointStore(out.parent / "ck").load() is None


@pytest.mark.slow
def test_an_error_of_one_rank_is_raised_here(toy_set: Path, tmp_path: Path) -> None:
    """The other rank waits for the one that met a damaged image, and is ended."""
    folder = shutil.copytree(toy_set, tmp_path / "set")
    params = params_of(processes=2)
    trainer = Trainer(params, TrainingData.read(folder), seed=0, recorder=NoRecorder())
    name = next(iter(trainer.batches())).ids[1]  # of the first batch, the second rank's
    (folder / "images" / f"{name}.png").write_bytes(b"no image")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    environment = dict(os.environ)
    with pytest.raises(DataError, match=name):
        run(params, folder, tmp_path / "out")
    assert handlers == {number: signal.getsignal(number) for number in handlers}
    assert dict(os.environ) == environment


@pytest.mark.slow
def test_any_other_error_keeps_its_traceback(toy_set: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file where the bundle should go")
    with pytest.raises(
        RuntimeError, match=r"(?s)process 0 of 2 failed.*save_bundle.*FileExistsError"
    ):
        train_segmenter(
            params_of(processes=2, steps=3, val_interval=3),
            TrainingData.read(toy_set),
            seed=0,
            out=tmp_path / "out",
            recorder=Recorder(tmp_path / "record"),
            checkpoints=CheckpointStore(tmp_path / "ck"),
        )


def shares(toy_set: Path) -> list[list[tuple[str, int]]]:
    """Return name and colours of the images that this rank trains on at each step."""
    data = TrainingData.read(toy_set, extra=toy_set)
    trainer = Trainer(params_of(steps=4), data, seed=0, recorder=NoRecorder())
    return [
        [(name, int(image.sum())) for name, image in zip(batch.ids, batch.images, strict=True)]
        for batch in trainer.batches()
    ]


def test_ranks_share_out_the_batches_of_one_process(toy_set: Path, tmp_path: Path) -> None:
    """In turn, so that each rank has some of the real and some of the extra images; crops and colours stay."""
    whole = shares(toy_set)
    parts = over_ranks(shares, toy_set, folder=tmp_path)
    for step, batch in enumerate(whole):
        assert [parts[place % WORLD][step][place // WORLD] for place in range(4)] == batch


def test_a_job_is_read_as_it_was_written(toy_set: Path, tmp_path: Path) -> None:
    """To the bit: a weight that differs in its last digit may draw another row."""
    real = ImageFolder.read(toy_set, split="train")
    weights = np.random.default_rng(0).random(len(real)) / 3
    data = TrainingData.read(toy_set)
    data = TrainingData(
        data.classes, real, data.val, ImageFolder(real.folder, real.table.assign(weight=weights))
    )
    job = Job(
        params_of(processes=2), data, seed=3, out=Path("out"), record=Path("record"), times=Path("times.txt"),
        checkpoints=Path("ck"), log_level=30,
    )  # fmt: skip
    job.write(tmp_path)
    read = Job.read(tmp_path)
    assert read.data.extra is not None
    assert (read.data.extra.table["weight"].to_numpy() == weights).all()
    for mine, its in ((real, read.data.real), (data.val, read.data.val)):
        assert mine.folder == its.folder
        assert mine.table.equals(its.table)
    assert (read.params, read.data.classes) == (job.params, job.data.classes)
    assert (read.seed, read.out, read.record, read.times, read.checkpoints, read.log_level) == (
        3, Path("out"), Path("record"), Path("times.txt"), Path("ck"), 30,
    )  # fmt: skip


def test_a_batch_that_cannot_be_shared_out_is_refused() -> None:
    with pytest.raises(
        ParamsError, match="batch_size 4 cannot be shared out evenly over processes 3"
    ):
        params_of(processes=3)


def test_too_few_devices_and_lone_images_are_refused_in_one_line() -> None:
    params = params_of(norm="sync", processes=4)
    with pytest.raises(ParamsError, match="found 4, but there are 2 CUDA devices") as error:
        check_devices("train", params.train.processes, devices=2)
    assert "\n" not in str(error.value)
    with pytest.raises(ParamsError, match="4 processes share 4 images, one each"):
        params_of(processes=4)
    check_devices("train", params.train.processes, devices=0)
    check_devices("train", params.train.processes, devices=4)
    check_devices("train", 1, devices=0)
