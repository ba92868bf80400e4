"""A GAN trained by two processes is the GAN trained by one: same random numbers, same curve, same resume."""

import hashlib
import json
from pathlib import Path

import pytest
import torch

from ocrnet.checkpoint import CheckpointStore
from ocrnet.config import TrainGanParams
from ocrnet.config.params_file import parse_params
from ocrnet.errors import ParamsError
from ocrnet.gan.generator.presets import PRESETS
from ocrnet.gan.training import oasis
from ocrnet.gan.training.batches import Pairs
from ocrnet.gan.training.rng import BatchRng
from ocrnet.gan.training.step import GanTrainer
from ocrnet.gan.training.train import train_gan
from ocrnet.record import Recorder, SilentRecorder
from tests.base_params import section_with
from tests.ocrnet.conftest import toy_params
from tests.ocrnet.distributed.ranks import WORLD, over_ranks
from tests.ocrnet.gan.generator.test_networks import TINY
from tests.ocrnet.gan.prepared import write_prepared
from tests.ocrnet.killed import killed_at

CPU = torch.device("cpu")
VALUES = {"batch_size": 4, "crop_size": [12, 16], "labelmix_interval": 2, "cutout": 0.3, "log_interval": 1,
          "checkpoint_interval": 2, "val_interval": 3}  # fmt: skip


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_prepared(tmp_path_factory.mktemp("prepared"))


GAN_CHANGES = ({"arch": "oasis", "style": "component"}, {"arch": "pix2pix", "l1_weight": 1.0})


def curves(prepared: Path, steps: int) -> list[tuple[list[float], list[dict[str, torch.Tensor]]]]:
    """Return for each GAN the losses of some steps, and the state of both networks before and after them.

    SGD, because Adam divides by the gradient: where that is zero but for rounding, rounding is what it follows.
    """
    PRESETS["cpu-demo"] = TINY  # of the process: a rank is a new one
    pairs = Pairs(prepared, "train")
    return [
        curve(GanTrainer(2, section_with(TrainGanParams, **{**VALUES, **changes}), device=CPU), pairs, steps)
        for changes in GAN_CHANGES
    ]  # fmt: skip


def curve(
    trainer: GanTrainer, pairs: Pairs, steps: int
) -> tuple[list[float], list[dict[str, torch.Tensor]]]:
    trainer._adam_generator = torch.optim.SGD(trainer.generator.parameters(), lr=0.1)
    trainer._adam_discriminator = torch.optim.SGD(trainer.discriminator.parameters(), lr=0.1)
    losses: list[float] = []
    states = [state(trainer)]
    for step in range(steps):
        batch = pairs.batch(step, seed=0, count=4, size=(12, 16), flip=True, rare_crops=0.5)
        taken = trainer.step(step, batch)
        losses += [taken.generator, taken.discriminator]
    return losses, [*states, state(trainer)]


def state(trainer: GanTrainer) -> dict[str, torch.Tensor]:
    networks = {"g": trainer.generator, "d": trainer.discriminator}
    return {
        f"{key}.{name}": value.clone()
        for key, network in networks.items()
        for name, value in network.state_dict().items()
    }


@pytest.mark.slow
def test_two_processes_have_the_losses_and_the_weights_of_one(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS, "cpu-demo", TINY)
    alone = curves(prepared, 4)

    first, second = over_ranks(curves, prepared, 4, folder=tmp_path)

    for (losses, states), mine, theirs in zip(alone, first, second, strict=True):
        assert mine[0] == pytest.approx(losses, rel=1e-4)
        assert mine[0] == theirs[0]
        for key in ("g.", "d."):
            names = [name for name in states[0] if name.startswith(key)]
            for name in names:
                torch.testing.assert_close(mine[1][1][name], states[1][name], rtol=1e-3, atol=1e-4)
                assert torch.equal(mine[1][1][name], theirs[1][1][name]), name
            moved = max(
                (states[1][n] - states[0][n]).abs().max().item() for n in names if "ori" in n
            )
            assert moved > 0.005, "the weights stood still, so that nothing was compared"


def train_whole_and_killed(prepared: Path, folder: Path) -> None:
    PRESETS["cpu-demo"] = TINY
    train_in(prepared, folder / "whole")
    with killed_at(GanTrainer, 3):
        train_in(prepared, folder / "killed")
    train_in(prepared, folder / "killed")


def train_in(prepared: Path, folder: Path) -> None:
    first = torch.distributed.get_rank() == 0
    train_gan(
        prepared, section_with(TrainGanParams, **{**VALUES, "steps": 5, "processes": WORLD}), crop_size=(9, 9),
        out=folder / "out", recorder=Recorder(folder / "out") if first else SilentRecorder(),
        store=CheckpointStore(folder / "state"),
    )  # fmt: skip


def hashes(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


@pytest.mark.slow
def test_killed_processes_end_with_the_same_bytes(prepared: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    over_ranks(train_whole_and_killed, prepared, tmp_path, folder=results)

    whole = hashes(tmp_path / "whole" / "out")
    assert whole == hashes(tmp_path / "killed" / "out")
    assert "generator.safetensors" in whole
    lines = (tmp_path / "whole" / "out" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4, 5, 5]


ROWS = ([0, 0, 0], [0, 1, 1])


def drawn() -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    rng = BatchRng("test", count=4)
    return rng.uniform(3), rng.bits(5), [g.initial_seed() for g in rng.generators()]


def drawn_and_weighed() -> tuple[tuple[torch.Tensor, torch.Tensor, list[int]], list[float]]:
    label_maps = torch.tensor(ROWS[torch.distributed.get_rank()]).view(1, 1, -1)
    weights = oasis.class_weights(label_maps, num_classes=3, weight_max=9.0)
    return drawn(), weights.tolist()


@pytest.mark.slow
def test_processes_share_out_the_draws_of_one_and_weigh_classes_by_the_pixels_of_all(
    tmp_path: Path,
) -> None:
    """Together 4 pixels of class 0 and 2 of class 1: 6 / (2 * 4) and 6 / (2 * 2); one process sees no class 1."""
    uniform, bits, seeds = drawn()

    for rank, (draws, weights) in enumerate(over_ranks(drawn_and_weighed, folder=tmp_path)):
        assert torch.equal(draws[0], uniform[rank::WORLD])
        assert torch.equal(draws[1], bits[rank::WORLD])
        assert draws[2] == seeds[rank::WORLD]
        assert weights == pytest.approx([0.75, 1.5, 0.0])


def test_one_process_alone_refuses_a_training_of_several(prepared: Path, tmp_path: Path) -> None:
    params = section_with(TrainGanParams, **{**VALUES, "processes": 2})
    with pytest.raises(
        ParamsError, match=r"train_gan.processes: found 2, but 1 processes run this"
    ):
        train_gan(
            prepared, params, crop_size=(9, 9), out=tmp_path, recorder=SilentRecorder(),
            store=CheckpointStore(tmp_path),
        )  # fmt: skip


def test_a_batch_that_cannot_be_shared_out_is_refused() -> None:
    values = toy_params().model_dump(mode="json", by_alias=True)
    values["train_gan"] |= {"batch_size": 8, "processes": 3}

    with pytest.raises(ParamsError, match="batch_size 8 cannot be divided evenly among proc"):
        parse_params(values)
