"""Training on a tiny set: who learns when, health, and a kill that changes nothing."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ocrnet.checkpoint import CheckpointStore
from ocrnet.config import TrainGanParams
from ocrnet.errors import TrainError
from ocrnet.gan.generator.painter import load_painter
from ocrnet.gan.generator.presets import PRESETS
from ocrnet.gan.training import diagnostics
from ocrnet.gan.training.batches import Batch, Pairs
from ocrnet.gan.training.step import GanTrainer
from ocrnet.gan.training.train import train_gan
from ocrnet.record import Recorder
from tests.base_params import section_with
from tests.ocrnet.gan.generator.test_networks import TINY
from tests.ocrnet.gan.prepared import write_prepared
from tests.ocrnet.killed import killed_at

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_prepared(tmp_path_factory.mktemp("prepared"))


@pytest.fixture(autouse=True)
def _tiny_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "cpu-demo", TINY)


def _params(**changes: Any) -> TrainGanParams:
    values = {"steps": 6, "batch_size": 2, "crop_size": [12, 16], "val_interval": 3,
              "checkpoint_interval": 2, "log_interval": 1, "labelmix_interval": 2}  # fmt: skip
    return section_with(TrainGanParams, **{**values, **changes})


def _train(prepared: Path, folder: Path, params: TrainGanParams) -> Path:
    train_gan(
        prepared, params, crop_size=(32, 32), out=folder / "out",
        recorder=Recorder(folder / "out"), store=CheckpointStore(folder / "state"),
    )  # fmt: skip
    return folder / "out"


def _hashes(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def _batch(prepared: Path) -> Batch:
    return Pairs(prepared, "train").batch(
        0, seed=0, count=2, size=(12, 16), flip=False, rare_crops=0.0
    )


def _weights(network: torch.nn.Module) -> list[torch.Tensor]:
    return [value.detach().clone() for value in network.parameters()]


def test_outputs_are_the_same_bytes_twice(prepared: Path, tmp_path: Path) -> None:
    first, second = (_train(prepared, tmp_path / name, _params()) for name in "ab")

    assert _hashes(first) == _hashes(second)
    assert set(_hashes(first)) == {
        "generator.safetensors", "gan.json", "samples.jpg", "metrics.jsonl", "metrics.json"
    }  # fmt: skip
    assert set(json.loads((first / "metrics.json").read_text())) == {
        "gan/p_fake_train", "gan/p_fake_val", "gan/p_fake_gap", "gan/d_mIoU", "gan/diversity", "gan/steps"
    }  # fmt: skip
    assert not any((tmp_path / "a" / "state").iterdir())


@pytest.mark.parametrize("step", [1, 5])
def test_killed_run_ends_with_the_same_bytes(prepared: Path, tmp_path: Path, step: int) -> None:
    whole = _train(prepared, tmp_path / "whole", _params())
    with killed_at(GanTrainer, step):
        _train(prepared, tmp_path / "killed", _params())

    assert _hashes(_train(prepared, tmp_path / "killed", _params())) == _hashes(whole)


def test_time_box_stops_and_still_gives_a_painter(prepared: Path, tmp_path: Path) -> None:
    out = _train(prepared, tmp_path, _params(max_seconds=1e-6))

    assert json.loads((out / "metrics.json").read_text())["gan/steps"] == 1
    assert (out / "generator.safetensors").exists()


def test_a_rate_of_nothing_freezes_one_network_alone(prepared: Path) -> None:
    for frozen, learning in (("generator", "discriminator"), ("discriminator", "generator")):
        trainer = GanTrainer(2, _params(**{f"lr_{frozen}": 1e-30}), device=CPU)
        before = {name: _weights(getattr(trainer, name)) for name in (frozen, learning)}

        trainer.step(0, _batch(prepared))

        for old, new in zip(before[frozen], _weights(getattr(trainer, frozen)), strict=True):
            torch.testing.assert_close(new, old, rtol=0, atol=1e-20)
        assert any(
            not torch.equal(old, new)
            for old, new in zip(before[learning], _weights(getattr(trainer, learning)), strict=True)
        )


def test_generator_step_leaves_no_gradient_in_the_discriminator(prepared: Path) -> None:
    trainer = GanTrainer(2, _params(), device=CPU)
    batch = _batch(prepared)
    inputs = trainer._inputs(0, batch)
    vectors = [buffer.clone() for buffer in trainer.discriminator.buffers()]
    fakes = trainer.generator(batch.label_maps, trainer.draw_z(batch.label_maps, inputs.rng))

    trainer._step_generator(fakes, inputs)

    assert all(weight.grad is None for weight in trainer.discriminator.parameters())
    assert all(map(torch.equal, vectors, trainer.discriminator.buffers()))


def test_a_loss_that_is_not_finite_names_the_images(prepared: Path) -> None:
    trainer = GanTrainer(2, _params(), device=CPU)
    batch = _batch(prepared)
    broken = Batch(batch.ids, batch.images * torch.nan, batch.label_maps)

    with pytest.raises(TrainError, match=f"step 4: .*nan.* {batch.ids[0]}, {batch.ids[1]}"):
        trainer.step(4, broken)


def test_diversity_is_zero_for_a_generator_that_ignores_z(prepared: Path) -> None:
    trainer = GanTrainer(2, _params(), device=CPU)
    generator = trainer.average.model
    windows = Pairs(prepared, "val").windows(2, size=(12, 16))
    assert diagnostics.diversity(generator, windows, style="image") > 0

    with torch.no_grad():
        for conv in (generator.head, *generator.embeds):
            conv.get_parameter("weight")[:, -TINY.z_dim :] = 0

    assert diagnostics.diversity(generator, windows, style="image") == 0


def test_discriminator_learns_the_classes_of_held_out_images(prepared: Path) -> None:
    trainer = GanTrainer(2, _params(lr_generator=2e-3, lr_discriminator=2e-3), device=CPU)
    train, val = (Pairs(prepared, split) for split in ("train", "val"))
    for step in range(150):
        batch = train.batch(step, seed=0, count=4, size=(12, 16), flip=True, rare_crops=0.0)
        trainer.step(step, batch)

    scores = diagnostics.measure(
        trainer.average.model, trainer.discriminator, trainer.objective,
        train=train.windows(2, size=(12, 16)), val=val.windows(2, size=(12, 16)),
    )  # fmt: skip
    assert scores["gan/d_mIoU"] > 0.8


def test_generator_paints_a_layout_that_it_never_saw(prepared: Path, tmp_path: Path) -> None:
    """Squares are 120 grey levels brighter than the floor; a square elsewhere must come out bright there."""
    label_map = np.zeros((14, 20), np.uint8)
    label_map[7:13, 11:18] = 1

    rates = {"lr_generator": 4e-3, "lr_discriminator": 4e-3}
    intervals = {"val_interval": 500, "checkpoint_interval": 500, "log_interval": 500}
    params = _params(steps=250, batch_size=4, **rates, **intervals)
    painted = load_painter(_train(prepared, tmp_path, params)).paint(label_map, seed=0)
    contrast = painted[label_map == 1].mean() - painted[label_map == 0].mean()
    assert 70 < contrast < 170


@pytest.mark.parametrize(
    "changes",
    [{"arch": "pix2pix"}, {"style": "component"}, {"arch": "pix2pix", "style": "component"}],
    ids=str,
)
def test_every_gan_and_style_is_resumed_to_the_same_bytes_and_painted_from_files(
    prepared: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    params = _params(cutout=0.2, **changes)
    whole = _train(prepared, tmp_path / "whole", params)
    with killed_at(GanTrainer, 3):
        _train(prepared, tmp_path / "killed", params)

    assert _hashes(_train(prepared, tmp_path / "killed", params)) == _hashes(whole)
    card = json.loads((whole / "gan.json").read_text())
    assert (card["arch"], card["style"]) == (params.arch, params.style)
    painter = load_painter(whole)
    assert painter.paint(np.zeros((9, 7), np.uint8), seed=0).shape == (9, 7, 3)
    metrics = json.loads((whole / "metrics.json").read_text())
    assert ("gan/d_mIoU" in metrics) == (params.arch == "oasis")
    gap = metrics["gan/p_fake_val"] - metrics["gan/p_fake_train"]
    assert metrics["gan/p_fake_gap"] == pytest.approx(gap)


@pytest.mark.parametrize("arch", ["oasis", "pix2pix"])
def test_16_bits_run_the_convolutions_alone_and_stay_close_to_fp32(
    prepared: Path, arch: str
) -> None:
    losses = {}
    dtypes = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    for precision, dtype in dtypes.items():
        trainer = GanTrainer(2, _params(arch=arch, precision=precision), device=CPU)
        seen: set[torch.dtype] = set()
        trainer.generator.blocks[0].get_submodule("conv1").register_forward_hook(
            lambda module, inputs, output, seen=seen: seen.add(output.dtype)
        )
        losses[precision] = [trainer.step(step, _batch(prepared)) for step in range(2)]
        assert seen == {dtype}
        scalers = [name for name in trainer.state() if "scaler" in name]
        assert len(scalers) == (2 if precision == "fp16" else 0)
        for network in (trainer.generator, trainer.discriminator, trainer.average.model):
            assert {value.dtype for value in network.parameters()} == {torch.float32}
        vectors = [b for n, b in trainer.generator.named_buffers() if n.endswith(("._u", "._v"))]
        for vector in vectors:  # of unit length to seven digits: bfloat16 has three
            assert vector.norm().item() == pytest.approx(1, abs=1e-5)
    for precision in ("bf16", "fp16"):
        for plain, short in zip(losses["fp32"], losses[precision], strict=True):
            assert short.generator == pytest.approx(plain.generator, rel=0.03)
            assert short.discriminator == pytest.approx(plain.discriminator, rel=0.03)
        assert losses["fp32"] != losses[precision]


def test_health_checks_warn_once_and_only_beyond_their_limits(
    caplog: pytest.LogCaptureFixture,
) -> None:
    health = diagnostics.HealthChecks()
    good = {
        "gan/p_fake_gap": diagnostics.MAX_P_FAKE_GAP,
        "gan/diversity": diagnostics.MIN_DIVERSITY,
    }
    bad = {"gan/p_fake_gap": 0.21, "gan/diversity": 0.004}

    health.check_scores(1, good)
    for step in (1, 2):
        health.check_scores(step, good)
        for part in range(
            diagnostics.LOW_STEPS
        ):  # one easy batch after the other, but never so many in a row
            health.check_loss(step, diagnostics.MIN_DISCRIMINATOR_LOSS if part == 5 else 0.01)
    health.check_loss(2, diagnostics.MIN_DISCRIMINATOR_LOSS)
    assert not caplog.messages
    for step in (3, 4):
        health.check_scores(step, bad)
        for _ in range(diagnostics.LOW_STEPS):
            health.check_loss(step, 0.01)

    assert len(caplog.messages) == 3
    assert all("step 3" in message for message in caplog.messages)
