"""Training in fp16 on a scaled loss, and the compiled network."""

import shutil
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ocrnet.config import Params
from ocrnet.errors import MachineError, TrainError
from ocrnet.training.batches import TrainBatch
from ocrnet.training.compiling import COMPILERS, compile_if_wanted, missing_tool
from ocrnet.training.data import TrainingData
from ocrnet.training.step import SegmenterTrainer
from tests.ocrnet.conftest import toy_params

CPU = torch.device("cpu")


def params_of(**train: Any) -> Params:
    params = toy_params()
    sections = {"model": {"norm": "group", "dropout": 0.0}, "train": {"loss": "ce", **train}}
    return params.model_copy(
        update={name: getattr(params, name).model_copy(update=of) for name, of in sections.items()}
    )


def trainer_of(toy_set: Path, **train: Any) -> tuple[SegmenterTrainer, list[TrainBatch]]:
    params = params_of(**train)
    data = TrainingData.read(toy_set)
    batches = data.batches(params, seed=0)
    return SegmenterTrainer(params, data, seed=0), [next(batches) for _ in range(3)]


def weights_of(trainer: SegmenterTrainer) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}


def set_scale(trainer: SegmenterTrainer, scale: float, *, growth_interval: int = 2000) -> None:
    state = trainer._scaler.state_dict() | {"scale": scale, "growth_interval": growth_interval}
    trainer._scaler.load_state_dict(state)


def test_the_step_of_a_scaled_loss_has_the_gradient_of_the_loss(toy_set: Path) -> None:
    """Unscaled and in float32, and so before it is clipped: the scaled one is 65536 times as much."""
    found = {}
    for precision in ("fp32", "fp16"):
        trainer, batches = trainer_of(toy_set, precision=precision, clip_norm=100.0, accumulate=2)
        trainer.step(0, batches[0])
        gradients = [w.grad for w in trainer.model.parameters() if w.grad is not None]
        assert {gradient.dtype for gradient in gradients} == {torch.float32}
        found[precision] = torch.cat([gradient.flatten() for gradient in gradients])
    exact, half = found["fp32"], found["fp16"]
    assert not torch.equal(exact, half)
    assert float((half - exact).norm()) < 0.2 * float(exact.norm())


def test_a_gradient_that_overflows_makes_no_step_and_halves_the_scale(toy_set: Path) -> None:
    trainer, batches = trainer_of(toy_set, precision="fp16")
    set_scale(trainer, 2.0**100)
    before = weights_of(trainer)
    trainer.step(0, batches[0])
    assert trainer._scaler.get_scale() == 2.0**99
    assert all(torch.equal(value, before[name]) for name, value in weights_of(trainer).items())


def test_gradients_that_are_never_finite_end_the_training(toy_set: Path) -> None:
    trainer, batches = trainer_of(toy_set, precision="fp16")
    set_scale(trainer, 1.0)
    weight = next(w for n, w in trainer.model.named_parameters() if n.startswith("head"))
    weight.register_hook(lambda gradient: gradient * float("inf"))  # type: ignore[no-untyped-call]
    with pytest.raises(TrainError, match=r"step 0: the gradient is not finite at any scale .*fp32"):
        trainer.step(0, batches[0])


def test_a_resumed_training_goes_on_with_the_scale(toy_set: Path) -> None:
    """The scale doubles every second step here, so that a fresh one would differ."""
    trainer, batches = trainer_of(toy_set, precision="fp16")
    set_scale(trainer, 2.0**8, growth_interval=2)
    for step in (0, 1):
        trainer.step(step, batches[step])
    state = deepcopy(trainer.state())  # an optimizer takes the tensors of a state as its own
    assert state["scaler"]["scale"] == 2.0**9
    other, _ = trainer_of(toy_set, precision="fp16")
    other.restore(state)
    for one in (trainer, other):
        one.step(2, batches[2])
    assert other._scaler.state_dict() == trainer._scaler.state_dict()
    ours, theirs = weights_of(trainer), weights_of(other)
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


@pytest.mark.parametrize("precision", ["auto", "fp32", "bf16"])
def test_other_precisions_have_no_scaler_in_their_checkpoint(toy_set: Path, precision: str) -> None:
    trainer, _ = trainer_of(toy_set, precision=precision)
    assert sorted(trainer.state()) == ["average", "model", "optimizer"]


def test_a_machine_without_compiler_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(
        MachineError, match=r"train.compile: found true, but this machine has no comp"
    ):
        compile_if_wanted(nn.Linear(1, 1), True, CPU)
    monkeypatch.setenv("CXX", "my-compiler")
    assert missing_tool("cpu") == "this machine has no compiler of C++ (my-compiler)"
    compile_if_wanted(
        nn.Linear(1, 1), "auto", CPU
    )  # on a CPU nothing is compiled, and nothing is missing


COMPILED = """
import torch
from torch import nn
from ocrnet.training.compiling import compile_if_wanted

net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
plain = net(torch.ones(1, 3, 8, 8))
compile_if_wanted(net, True, torch.device("cpu"))
assert net._compiled_call_impl is not None
assert list(net.state_dict()) == ["0.weight", "0.bias"]
torch.testing.assert_close(net(torch.ones(1, 3, 8, 8)), plain)
"""


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, COMPILERS)), reason="no compiler of C++")
def test_a_compiled_network_gives_what_the_plain_one_gives() -> None:
    """In a process of its own: the type checks of the tests are code that the compiler cannot take."""
    subprocess.run([sys.executable, "-c", COMPILED], check=True, timeout=600)
