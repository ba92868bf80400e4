"""A GAN trained by two processes is the GAN trained by one: same draws, same curve, same resume."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from ocrnet.checkpoint import CheckpointStore
from ocrnet.config import TrainGanParams
from ocrnet.errors import OcrnetError, ParamsError
from ocrnet.gan import objectives
from ocrnet.gan.draws import BatchDraws
from ocrnet.gan.job import GanJob
from ocrnet.gan.pairs import Pairs
from ocrnet.gan.presets import PRESETS
from ocrnet.gan.train import train_gan
from ocrnet.gan.trainer import GanTrainer
from ocrnet.params_file import parse_params
from ocrnet.rank import NoRecorder
from ocrnet.tracking import Recorder
from tests.ocrnet.conftest import toy_params
from tests.ocrnet.gan.prepared import write_prepared
from tests.ocrnet.gan.test_networks import TINY
from tests.ocrnet.ranks import WORLD, over_ranks

CPU = torch.device("cpu")
VALUES = {"batch_size": 4, "crop_size": [12, 16], "labelmix_interval": 2, "cutout": 0.3, "log_interval": 1,
          "checkpoint_interval": 2, "val_interval": 3}  # fmt: skip


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_prepared(tmp_path_factory.mktemp("prepared"))


def curve(prepared: Path, changes: dict[str, Any], steps: int) -> tuple[list[float], Any]:
    """Return the losses of some steps and the generator's weights after them."""
    PRESETS["cpu-demo"] = TINY  # of the process: a rank is a new one
    params = TrainGanParams.model_validate({**VALUES, **changes})
    pairs = Pairs(prepared, "train")
    trainer = GanTrainer(2, params, device=CPU)
    losses = []
    for step in range(steps):
        batch = pairs.batch(step, seed=0, count=4, size=(12, 16), flip=True, rare_crops=0.5)
        taken = trainer.step(step, batch)
        losses += [taken.generator, taken.discriminator]
    return losses, {n: v.clone() for n, v in trainer.generator.state_dict().items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes", [{"arch": "oasis", "style": "component"}, {"arch": "pix2pix"}], ids=str
)
def test_two_processes_have_the_losses_and_the_weights_of_one(
    prepared: Path, tmp_path: Path, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rates are small: Adam divides a gradient by its size, so that of one near zero rounding is what it follows."""
    monkeypatch.setitem(PRESETS, "cpu-demo", TINY)
    changes |= {"lr_generator": 1e-4, "lr_discriminator": 1e-4}
    losses, weights = curve(prepared, changes, 4)

    ranks = over_ranks(curve, prepared, changes, 4, folder=tmp_path)

    for mine, theirs in ranks:
        assert mine == pytest.approx(losses, rel=2e-4)
        for name, value in weights.items():
            torch.testing.assert_close(theirs[name], value, rtol=1e-3, atol=5e-4)
    assert ranks[0][0] == ranks[1][0]
    assert all(torch.equal(ranks[0][1][name], ranks[1][1][name]) for name in weights)


def train_and_die(prepared: Path, folder: Path, die_at: int | None) -> None:
    PRESETS["cpu-demo"] = TINY
    take_step = GanTrainer.step

    def step_or_die(trainer: GanTrainer, step: int, batch: Any) -> Any:
        if step == die_at:
            raise KeyboardInterrupt
        return take_step(trainer, step, batch)

    GanTrainer.step = step_or_die  # type: ignore[method-assign]
    first = torch.distributed.get_rank() == 0
    (folder / "out").mkdir(parents=True, exist_ok=True)
    try:
        train_gan(
            prepared, TrainGanParams.model_validate({**VALUES, "steps": 5, "processes": WORLD}), crop_size=(9, 9),
            out=folder / "out", recorder=Recorder(folder / "out") if first else NoRecorder(),
            store=CheckpointStore(folder / "state"),
        )  # fmt: skip
    except KeyboardInterrupt:
        assert die_at is not None


def hashes(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


@pytest.mark.slow
def test_killed_processes_end_with_the_same_bytes(prepared: Path, tmp_path: Path) -> None:
    for name, deaths in (("whole", [None]), ("killed", [3, None])):
        for i, die_at in enumerate(deaths):
            results = tmp_path / f"{name}{i}"
            results.mkdir()
            over_ranks(train_and_die, prepared, tmp_path / name, die_at, folder=results)

    whole = hashes(tmp_path / "whole" / "out")
    assert whole == hashes(tmp_path / "killed" / "out")
    assert "generator.safetensors" in whole
    lines = (tmp_path / "whole" / "out" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4, 5, 5]


@pytest.mark.slow
def test_the_stage_starts_its_processes_and_raises_their_errors(
    prepared: Path, tmp_path: Path
) -> None:
    """Through torchrun's agent; a batch of the whole preset, for a new process knows no other."""
    params = TrainGanParams.model_validate({**VALUES, "steps": 1, "processes": 2})

    def run(folder: Path, store: Path) -> None:
        train_gan(
            folder, params, crop_size=(9, 9), out=tmp_path / "out", recorder=Recorder(tmp_path / "out"),
            store=CheckpointStore(store),
        )  # fmt: skip

    run(prepared, tmp_path / "state")
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["gan/steps"] == 1
    with pytest.raises(OcrnetError, match="nothing"):
        run(tmp_path / "nothing", tmp_path / "state")


def drawn() -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    draws = BatchDraws("test", count=4)
    return draws.uniform(3), draws.bits(5), [g.initial_seed() for g in draws.generators()]


@pytest.mark.slow
def test_processes_share_out_the_draws_and_the_class_balance_of_one(
    prepared: Path, tmp_path: Path
) -> None:
    uniform, bits, seeds = drawn()

    for rank, (part, own_bits, own_seeds) in enumerate(over_ranks(drawn, folder=tmp_path)):
        assert torch.equal(part, uniform[rank::WORLD])
        assert torch.equal(own_bits, bits[rank::WORLD])
        assert own_seeds == seeds[rank::WORLD]


def balance(rows: list[list[int]]) -> torch.Tensor:
    row = rows[torch.distributed.get_rank()]
    label_maps = torch.tensor(row).view(1, 1, -1)
    return objectives.class_weights(label_maps, num_classes=3, weight_max=9.0)


@pytest.mark.slow
def test_class_weights_count_the_pixels_of_all_processes(tmp_path: Path) -> None:
    """Together 4 pixels of class 0 and 2 of class 1: 6 / (2 * 4) and 6 / (2 * 2); one process sees no class 1."""
    for weights in over_ranks(balance, [[0, 0, 0], [0, 1, 1]], folder=tmp_path):
        assert weights.tolist() == pytest.approx([0.75, 1.5, 0.0])


def test_a_job_is_read_as_it_was_written(tmp_path: Path) -> None:
    job = GanJob(
        TrainGanParams.model_validate({**VALUES, "processes": 2}), prepared=Path("prepared"), crop_size=(9, 8),
        out=Path("out"), record=Path("record"), times=None, checkpoints=Path("ck"), log_level=30,
    )  # fmt: skip
    job.write(tmp_path)

    assert GanJob.read(tmp_path) == job
    with pytest.raises(ParamsError, match=r"train_gan.processes: found 2, but there are 1 CUDA"):
        job.check(devices=1)


def test_a_batch_that_cannot_be_shared_out_is_refused() -> None:
    values = toy_params().model_dump(mode="json", by_alias=True)
    values["train_gan"] |= {"batch_size": 8, "processes": 3}

    with pytest.raises(ParamsError, match="batch_size 8 cannot be shared out evenly over proc"):
        parse_params(values)
