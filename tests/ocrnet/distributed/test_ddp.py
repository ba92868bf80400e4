"""A training by two processes is the training of one: same data, same curve, same resume."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ocrnet.checkpoint import CheckpointStore
from ocrnet.config import Params
from ocrnet.config.params_file import parse_params
from ocrnet.distributed.ranks import rank, world_size
from ocrnet.errors import ParamsError
from ocrnet.record import Recorder, SilentRecorder
from ocrnet.training.best import SCORES_FILE
from ocrnet.training.data import TrainingData
from ocrnet.training.step import SegmenterTrainer
from ocrnet.training.train import SegmenterRun, train_segmenter
from tests.ocrnet.conftest import toy_params
from tests.ocrnet.distributed.ranks import WORLD, over_ranks
from tests.ocrnet.killed import killed_at

WRITTEN = ("weights.safetensors", "model.json", "metrics.jsonl", "metrics.json", SCORES_FILE)


def params_of(*, norm: str = "batch", dropout: float = 0.3, **train: object) -> Params:
    """Return params of a training that takes seconds; dropout makes a wrong seed show."""
    values = toy_params().model_dump(mode="json", by_alias=True)
    values["train"] |= train
    values["model"] |= {"backbone": "resnet10t", "norm": norm, "dropout": dropout}
    return parse_params(values)


def run(params: Params, toy_set: Path, out: Path) -> Path:
    train_segmenter(
        params,
        TrainingData.read(toy_set),
        seed=0,
        out=out,
        recorder=Recorder(out) if rank() == 0 else SilentRecorder(),
        checkpoints=CheckpointStore(out.parent / "ck"),
    )
    return out


def curve(out: Path) -> list[float]:
    lines = map(json.loads, (out / "metrics.jsonl").read_text().splitlines())
    return [line["train/loss"] for line in lines if "train/loss" in line]


def steps_in_float64(
    toy_set: Path, loss: str, folder: Path, norm: str = "sync", **recipe: object
) -> dict[str, Any]:
    """Train in float64 and return the curve, the last validation and the weights.

    In float32 two orders of adding up drift apart: flipping the batch of one process moves the loss of the fourth step
    by a hundredth here. So float64 tells a wrong gradient from rounding.
    """
    torch.set_default_dtype(torch.float64)
    params = params_of(norm=norm, dropout=0.0, loss=loss, steps=4, log_interval=1, val_interval=4, lr=0.02,
                       optimizer="sgd", **recipe)  # fmt: skip
    out = folder / str(rank())
    training = SegmenterRun(
        params,
        TrainingData.read(toy_set),
        seed=0,
        recorder=Recorder(out),
        store=CheckpointStore(out),
    )
    training.run()
    state = training.state()
    confusion = state["best"]["confusion"]
    return {
        "losses": curve(out),
        "confusion": confusion,
        "weights": state["trainer"]["model"],
        "averages": state["trainer"]["average"],
    }


def in_parts(toy_set: Path, loss: str, folder: Path) -> list[dict[str, Any]]:
    """Train on whole batches and on batches in two parts, with a norm that knows one image alone."""
    recipe = {"class_weights": "inverse", "processes": world_size(), "batch_size": 8}
    return [
        steps_in_float64(
            toy_set, loss, folder / str(parts), norm="group", accumulate=parts, **recipe
        )
        for parts in (1, 2)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize("loss", ["ce", "focal + 0.5*lovasz"])
def test_a_batch_in_parts_trains_like_the_whole_batch(
    toy_set: Path, tmp_path: Path, loss: str, world: int
) -> None:
    """Parts have unequal numbers of valid pixels, so their losses must not simply be averaged."""
    for whole, parts in over_ranks(
        in_parts, toy_set, loss, tmp_path / "out", folder=tmp_path / "1", world=world
    ):
        assert len(whole["losses"]) == 4
        assert whole["losses"][-1] < 0.95 * whole["losses"][0]
        np.testing.assert_allclose(parts["losses"], whole["losses"], rtol=1e-6)
        for kind in ("weights", "averages"):
            for name, expected in whole[kind].items():
                torch.testing.assert_close(parts[kind][name], expected, rtol=1e-5, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["ce", "ohem + 0.5*dice"])
def test_two_processes_give_the_curve_and_the_weights_of_one(
    toy_set: Path, tmp_path: Path, loss: str
) -> None:
    (one,) = over_ranks(
        steps_in_float64, toy_set, loss, tmp_path / "one", folder=tmp_path / "1", world=1
    )
    two = over_ranks(steps_in_float64, toy_set, loss, tmp_path / "two", folder=tmp_path / "2")
    assert len(one["losses"]) == 4
    assert one["losses"][-1] < 0.9 * one["losses"][0]
    for part in two:
        np.testing.assert_allclose(part["losses"], one["losses"], rtol=1e-6)
        assert part["confusion"] == one["confusion"]
        for name, expected in one["weights"].items():
            torch.testing.assert_close(part["weights"][name], expected, rtol=1e-5, atol=1e-6)


def train_whole_and_killed(toy_set: Path, folder: Path) -> None:
    params = params_of(processes=WORLD)
    run(params, toy_set, folder / "whole" / "out")
    # After the checkpoint of step 4 and a step that it does not hold.
    with killed_at(SegmenterTrainer, 5):
        run(params, toy_set, folder / "killed" / "out")
    run(params, toy_set, folder / "killed" / "out")


@pytest.mark.slow
def test_killed_processes_end_with_the_same_bytes(toy_set: Path, tmp_path: Path) -> None:
    over_ranks(train_whole_and_killed, toy_set, tmp_path, folder=tmp_path / "results")
    for name in WRITTEN:
        killed, whole = (tmp_path / run / "out" / name for run in ("killed", "whole"))
        assert killed.read_bytes() == whole.read_bytes(), name
    assert len(curve(tmp_path / "killed" / "out")) == 4, "each line once"
    assert CheckpointStore(tmp_path / "killed" / "ck").load() is None


def shares(toy_set: Path) -> list[list[tuple[str, int]]]:
    """Return name and colours of the images that this rank trains on at each step."""
    data = TrainingData.read(toy_set, extra=toy_set)
    return [
        [(name, int(image.sum())) for name, image in zip(batch.ids, batch.images, strict=True)]
        for batch in data.batches(params_of(steps=4), seed=0)
    ]


def test_ranks_share_out_the_batches_of_one_process(toy_set: Path, tmp_path: Path) -> None:
    """In turn, so that each rank has some of the real and some of the extra images; crops and colours stay."""
    whole = shares(toy_set)
    parts = over_ranks(shares, toy_set, folder=tmp_path)
    for step, batch in enumerate(whole):
        assert [parts[place % WORLD][step][place // WORLD] for place in range(4)] == batch


def test_one_process_alone_refuses_a_training_of_several(toy_set: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ParamsError, match=r"train.processes: found 2, but 1 processes run this"
    ) as error:
        run(params_of(processes=2), toy_set, tmp_path)
    assert "\n" not in str(error.value)


def test_a_batch_that_cannot_be_shared_out_is_refused() -> None:
    with pytest.raises(
        ParamsError, match="batch_size 4 cannot be divided evenly among processes 3"
    ):
        params_of(processes=3)


def test_lone_images_are_refused_in_one_line() -> None:
    params_of(norm="sync", processes=4)
    with pytest.raises(ParamsError, match="4 processes share 4 images, one each"):
        params_of(processes=4)
