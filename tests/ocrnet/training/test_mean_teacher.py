"""The mean teacher in a training: its labels, its share of the gradient, its state, and what it leaves alone."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from ocrnet.checkpoint import CheckpointStore
from ocrnet.config import Params
from ocrnet.data.decode import write_image
from ocrnet.data.unlabelled import FOLDER, write_unlabelled_manifest
from ocrnet.errors import DataError
from ocrnet.record import Recorder
from ocrnet.training.data import TrainingData
from ocrnet.training.norm_statistics import kept_statistics
from ocrnet.training.step import SegmenterTrainer
from ocrnet.training.train import train_segmenter
from tests.ocrnet.conftest import toy_params, write_toy_set
from tests.ocrnet.killed import killed_at

WRITTEN = ("weights.safetensors", "model.json", "metrics.jsonl", "metrics.json")


def write_unlabelled(prepared: Path, count: int = 5) -> Path:
    """Add unlabelled images of bright squares to a prepared set."""
    rng = np.random.default_rng(5)
    (prepared / FOLDER / "images").mkdir(parents=True)
    rows = []
    for i in range(count):
        image = rng.integers(0, 60, (64, 80, 3)).astype(np.uint8)
        top, left = rng.integers(0, 34), rng.integers(0, 50)
        image[top : top + 24, left : left + 24] += np.array([150, 120, 0], np.uint8)
        write_image(prepared / FOLDER / f"images/u{i}.png", image)
        rows.append({
            "id": f"u{i}", "group": f"u{i}", "image": f"images/u{i}.png", "height": 64, "width": 80,
            "origin": "unlabelled", "image_sha256": "", "raw_image": "",
        })  # fmt: skip
    write_unlabelled_manifest(prepared, pd.DataFrame(rows))
    return prepared


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("with_unlabelled")
    return write_unlabelled(write_toy_set(folder, counts={"train": 8, "val": 4, "test": 4}))


def params_of(train: Mapping[str, object] | None = None, **teacher: float) -> Params:
    params = toy_params(**(train or {}))
    own = params.mean_teacher.model_copy(update=teacher)
    return params.model_copy(update={"mean_teacher": own})


def run(params: Params, prepared: Path, out: Path, *, unlabelled: bool = True) -> Path:
    train_segmenter(
        params,
        TrainingData.read(prepared, unlabelled=unlabelled),
        seed=0,
        out=out,
        recorder=Recorder(out),
        checkpoints=CheckpointStore(out.parent / "ck"),
    )
    return out


def test_with_the_weight_0_it_is_the_training_on_labelled_images_to_the_bit(
    prepared: Path, tmp_path: Path
) -> None:
    """Batches, schedule, dropout, initial weights and running statistics are those of the other arms."""
    alone = run(params_of(), prepared, tmp_path / "alone" / "out", unlabelled=False)
    taught = run(params_of(weight=0.0), prepared, tmp_path / "taught" / "out")
    name = "weights.safetensors"
    assert (taught / name).read_bytes() == (alone / name).read_bytes()
    really = run(params_of(), prepared, tmp_path / "really" / "out")
    assert (really / name).read_bytes() != (alone / name).read_bytes()


def test_a_killed_run_ends_with_the_same_bits_and_the_same_log(
    prepared: Path, tmp_path: Path
) -> None:
    params = params_of(threshold=0.6)
    whole = run(params, prepared, tmp_path / "whole" / "out")
    # After the checkpoint of step 4 and a step that it does not hold.
    with killed_at(SegmenterTrainer, 5):
        run(params, prepared, tmp_path / "killed" / "out")
    resumed = run(params, prepared, tmp_path / "killed" / "out")
    for name in WRITTEN:
        assert (resumed / name).read_bytes() == (whole / name).read_bytes(), name


def test_shares_of_pseudo_labels_and_the_loss_are_logged(prepared: Path, tmp_path: Path) -> None:
    out = run(params_of({"log_interval": 2}, class_share=1.0), prepared, tmp_path / "out")
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    logged = [line for line in lines if "train/loss" in line]
    final = json.loads((out / "metrics.json").read_text())
    for line in logged:
        assert line["train/unlabelled_loss"] >= 0
    names = [f"train/pseudo_share/{name}" for name in ("floor", "square", "dot")]
    for values in (*logged, final):
        shares = [values[name] for name in names]
        assert all(0 <= share <= 1 for share in shares)
        assert sum(shares) <= 1
    assert sum(final[name] for name in names) > 0
    alone = run(params_of(), prepared, tmp_path / "alone" / "out", unlabelled=False)
    assert "pseudo" not in (alone / "metrics.json").read_text()


def gradients(prepared: Path, *, parts: int) -> dict[str, Tensor]:
    """Return the gradients of a step whose teacher knows the classes, without those of the labelled images."""
    params = params_of({"accumulate": parts, "clip_norm": None}, ramp_up=0.0, class_share=1.0)
    model = params.model.model_copy(update={"norm": "group", "dropout": 0.0})
    params = params.model_copy(update={"model": model})
    data = TrainingData.read(prepared, unlabelled=True)
    trainer = SegmenterTrainer(params, data, seed=0)
    batch = next(data.batches(params, seed=0))
    batch = batch._replace(label_maps=torch.full_like(batch.label_maps, 255))
    unlabelled = next(data.unlabelled_batches(params, seed=0))
    assert unlabelled is not None
    unlabelled.inside[0, 20:] = False
    trainer.step(0, batch, unlabelled)
    return {n: w.grad for n, w in trainer.model.named_parameters() if w.grad is not None}


def test_a_batch_in_parts_has_the_gradient_of_the_whole_batch(prepared: Path) -> None:
    whole, halves = gradients(prepared, parts=1), gradients(prepared, parts=2)
    largest = max(float(gradient.abs().max()) for gradient in whole.values())
    assert largest > 0
    for name, gradient in whole.items():
        torch.testing.assert_close(halves[name], gradient, rtol=1e-3, atol=1e-5 * largest)


def test_the_weight_rises_from_nearly_0_to_its_value(prepared: Path) -> None:
    params = params_of({"steps": 100}, weight=2.0, ramp_up=0.4)
    teacher = SegmenterTrainer(params, TrainingData.read(prepared, unlabelled=True), seed=0).teacher
    assert teacher is not None
    found = [teacher.weight(step, 100) for step in (0, 20, 40, 99)]
    # exp(-5), exp(-5 / 4) and 1, times 2
    assert found == pytest.approx([0.0134759, 0.5730096, 2.0, 2.0], rel=1e-6)


def test_running_statistics_stay_while_batches_are_normalised_by_their_own() -> None:
    norm = nn.BatchNorm2d(2)
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    images = torch.randn(4, 2, 5, 5) * 3 + 7
    with kept_statistics(norm):
        found = norm(images)
    assert torch.allclose(found.mean((0, 2, 3)), torch.zeros(2), atol=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())
    norm(images)
    assert norm.num_batches_tracked == 1


def test_a_set_without_unlabelled_images_is_refused_with_the_cure(toy_set: Path) -> None:
    with pytest.raises(DataError, match=r"no unlabelled image\. Put images .* data\.unlabelled"):
        TrainingData.read(toy_set, unlabelled=True)


def test_a_batch_of_pairs_and_unlabelled_images_has_both(prepared: Path) -> None:
    data = TrainingData.read(prepared, extra=prepared, unlabelled=True)
    params = params_of()
    trainer = SegmenterTrainer(params, data, seed=0)
    values = trainer.step(
        0, next(data.batches(params, seed=0)), next(data.unlabelled_batches(params, seed=0))
    )
    alone = replace(data, unlabelled=None)
    other = SegmenterTrainer(params, alone, seed=0).step(0, next(alone.batches(params, seed=0)))
    assert values.loss == other.loss
    assert (values.unlabelled_loss is None, other.unlabelled_loss is None) == (False, True)
