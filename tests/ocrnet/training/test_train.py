"""Training learns, is repeatable, and goes on after a kill as if nothing had been."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ocrnet.bundles.bundle import load_bundle
from ocrnet.checkpoint import CheckpointStore
from ocrnet.config import Params
from ocrnet.errors import ParamsError, TrainError
from ocrnet.inference.predict import load_segmenter
from ocrnet.metrics import miou
from ocrnet.record import Recorder
from ocrnet.training.batches import TrainBatch
from ocrnet.training.best import SCORES_FILE
from ocrnet.training.data import TrainingData
from ocrnet.training.step import SegmenterTrainer, StepValues
from ocrnet.training.train import train_segmenter
from ocrnet.training.validation import score_folder
from tests.ocrnet.conftest import toy_params
from tests.ocrnet.killed import killed_at


def run(
    params: Params, toy_set: Path, out: Path, *, seed: int = 0, extra: Path | None = None
) -> Path:
    """Train and return the folder."""
    data = TrainingData.read(toy_set, extra=extra)
    train_segmenter(
        params,
        data,
        seed=seed,
        out=out,
        recorder=Recorder(out),
        checkpoints=CheckpointStore(out.parent / "ck"),
    )
    return out


def test_thirty_steps_learn_the_toy_set(toy_set: Path, tmp_path: Path) -> None:
    out = run(toy_params(steps=30, val_interval=30, lr=0.004), toy_set, tmp_path / "out")
    lines = map(json.loads, (out / "metrics.jsonl").read_text().splitlines())
    losses = [line["train/loss"] for line in lines if "train/loss" in line]
    assert losses[-1] < 0.4 * losses[0]
    scores = json.loads((out / SCORES_FILE).read_text())
    assert scores["per_class_iou"][1] > 0.6  # the squares
    assert json.loads((out / "metrics.json").read_text())["val/mIoU"] == scores["miou"]


def test_the_bundle_scores_what_validation_said(toy_set: Path, tmp_path: Path) -> None:
    out = run(toy_params(), toy_set, tmp_path / "out")
    model, card = load_bundle(out)
    mean = torch.tensor(card.mean).view(1, 3, 1, 1)
    std = torch.tensor(card.std).view(1, 3, 1, 1)
    val = TrainingData.read(toy_set).val
    confusion = score_folder(model, val, num_classes=3, ignore_index=255, mean=mean, std=std)
    assert miou(confusion) == json.loads((out / SCORES_FILE).read_text())["miou"]
    segmenter = load_segmenter(out)
    total = sum(
        np.bincount(
            (item.label_map * 3 + segmenter.label_map(item.image))[item.label_map != 255],
            minlength=9,
        )
        for item in map(val.item, range(len(val)))
    )
    assert (np.asarray(total).reshape(3, 3) == confusion).all()


@pytest.mark.parametrize(
    "recipe",
    [
        {"val_interval": 4},
        {"val_interval": 8},  # the weights kept are the average of the last step
        {
            "accumulate": 2,
            "cutmix": 0.5,
            "rotation": 20.0,
            "elastic": 2.0,
            "noise": 0.1,
            "blur": 1.0,
        },
    ],
)
def test_a_killed_run_ends_with_the_same_bits(
    toy_set: Path, tmp_path: Path, recipe: dict[str, float]
) -> None:
    params = toy_params(**recipe)
    whole = run(params, toy_set, tmp_path / "whole" / "out")
    # After the checkpoint of step 4 and a step that it does not hold.
    with killed_at(SegmenterTrainer, 5):
        run(params, toy_set, tmp_path / "killed" / "out")
    resumed = run(params, toy_set, tmp_path / "killed" / "out")
    for name in ("weights.safetensors", "model.json", "metrics.jsonl", "metrics.json", SCORES_FILE):
        assert (resumed / name).read_bytes() == (whole / name).read_bytes(), name
    assert CheckpointStore(tmp_path / "killed" / "ck").load() is None


def retraining(**retrain: float) -> Params:
    params = toy_params()
    return params.model_copy(update={"retrain": params.retrain.model_copy(update=retrain)})


def test_a_killed_run_with_extra_data_ends_with_the_same_bits_in_the_tail(
    toy_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in step 5 of 8, of which the last 4 are real alone."""
    params = retraining(synthetic_weight=0.25, real_tail=0.5)
    whole = run(params, toy_set, tmp_path / "whole" / "out", extra=toy_set)
    take_step = SegmenterTrainer.step
    weights = []

    def note_weights(self: SegmenterTrainer, step: int, *batches: Any) -> StepValues:
        weights.append(batches[0].weights.tolist())
        return take_step(self, step, *batches)

    monkeypatch.setattr(SegmenterTrainer, "step", note_weights)
    with killed_at(SegmenterTrainer, 5):
        run(params, toy_set, tmp_path / "killed" / "out", extra=toy_set)
    resumed = run(params, toy_set, tmp_path / "killed" / "out", extra=toy_set)
    assert weights[:4] == [[1, 1, 0.25, 0.25]] * 4
    assert weights[4:] == [[1, 1, 1, 1]] * 5  # step 4, and after the kill 4 to 7
    assert json.loads((resumed / "metrics.json").read_text())["train/real_share"] == 0.75
    assert (resumed / "weights.safetensors").read_bytes() == (
        whole / "weights.safetensors"
    ).read_bytes()


@pytest.mark.parametrize("extra", [True, False])
def test_retrain_params_touch_only_what_has_extra_data(
    toy_set: Path, tmp_path: Path, extra: bool
) -> None:
    files = [
        (
            run(params, toy_set, tmp_path / str(index) / "out", extra=toy_set if extra else None)
            / "weights.safetensors"
        ).read_bytes()
        for index, params in enumerate(
            (
                toy_params(),
                retraining(synthetic_weight=1.0, real_tail=0.0),
                retraining(synthetic_weight=0.5),
                retraining(real_tail=0.75),
            )
        )
    ]
    assert files[0] == files[1]
    assert (files[0] == files[2]) is not extra
    assert (files[0] == files[3]) is not extra


def test_a_backbone_that_cannot_take_the_crop_is_told_in_one_line(toy_set: Path) -> None:
    params = toy_params()
    model = params.model.model_copy(update={"backbone": "mixer_s16_224"})
    fixed = params.model_copy(update={"model": model})
    with pytest.raises(
        ParamsError, match=r"mixer_s16_224.*accepts no image size other than its own"
    ):
        SegmenterTrainer(fixed, TrainingData.read(toy_set), seed=0)


def test_another_seed_gives_other_weights(toy_set: Path, tmp_path: Path) -> None:
    params = toy_params(steps=4)
    files = [
        (
            run(params, toy_set, tmp_path / str(seed) / "out", seed=seed) / "weights.safetensors"
        ).read_bytes()
        for seed in (0, 1)
    ]
    assert files[0] != files[1]


def first_step(params: Params, toy_set: Path) -> tuple[SegmenterTrainer, TrainBatch]:
    data = TrainingData.read(toy_set)
    return SegmenterTrainer(params, data, seed=0), next(data.batches(params, seed=0))


def test_a_loss_that_is_not_finite_names_the_images(toy_set: Path) -> None:
    trainer, batch = first_step(toy_params(), toy_set)
    with torch.no_grad():
        next(trainer.model.parameters()).fill_(float("nan"))
    with pytest.raises(TrainError, match=f"step 0: the loss is nan on the batch .*{batch.ids[-1]}"):
        trainer.step(0, batch)


def gradient_norm(toy_set: Path, clip_norm: float | None) -> float:
    """Make one step and return the norm of the gradient that the optimizer was given."""
    trainer, batch = first_step(toy_params(clip_norm=clip_norm), toy_set)
    trainer.step(0, batch)
    squares = [
        float(weight.grad.square().sum())
        for weight in trainer.model.parameters()
        if weight.grad is not None
    ]
    return math.sqrt(sum(squares))


def test_the_gradient_is_clipped_to_the_norm_asked_for(toy_set: Path) -> None:
    assert gradient_norm(toy_set, None) > 0.1
    assert gradient_norm(toy_set, 0.01) == pytest.approx(0.01, rel=1e-3)


def test_a_gradient_that_is_not_finite_names_the_images(toy_set: Path) -> None:
    """The loss is finite; a step with this gradient would spoil the weights, and the next batch be blamed."""
    trainer, batch = first_step(toy_params(), toy_set)
    weight = next(trainer.model.parameters())
    weight.register_hook(lambda gradient: gradient * math.inf)  # type: ignore[no-untyped-call]
    with pytest.raises(TrainError, match=f"norm of the gradient is .* batch .*{batch.ids[-1]}"):
        trainer.step(0, batch)


def test_norms_frozen_at_random_weights_are_told(
    toy_set: Path, caplog: pytest.LogCaptureFixture
) -> None:
    params = toy_params()
    model = params.model.model_copy(update={"backbone": "resnet18", "norm": "frozen"})
    frozen = params.model_copy(update={"model": model})
    SegmenterTrainer(frozen, TrainingData.read(toy_set), seed=0)
    assert "model.norm: frozen keeps the statistics of random weights" in caplog.text
