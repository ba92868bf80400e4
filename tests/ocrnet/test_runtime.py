"""Seeds are functions of their key alone."""

import pytest
import torch

from ocrnet.errors import ParamsError
from ocrnet.runtime import (
    Pace,
    autocast,
    choose_precision,
    key_seed,
    keyed_generator,
    loss_scaler,
    seeded,
    training_device,
)


def test_keys_are_told_apart() -> None:
    seeds = {key_seed(*key) for key in [(1, 23), (12, 3), (123,), ("a", 1), (1, "a")]}
    assert len(seeds) == 5
    assert key_seed(1, "step", 2) == key_seed(1, "step", 2)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_generator_of_equal_key_draws_the_same() -> None:
    drawn = [torch.rand(3, generator=keyed_generator(0, "x")) for _ in range(2)]
    assert torch.equal(*drawn)


def test_a_seeded_block_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    with seeded("inside"):
        torch.rand(7)
    assert torch.equal(torch.rand(1), expected)


def test_precision_on_the_cpu() -> None:
    cpu = torch.device("cpu")
    a = torch.ones(2, 2)
    with autocast(cpu, "auto"):
        assert (a @ a).dtype == torch.float32
    with autocast(cpu, "bf16"):
        assert (a @ a).dtype == torch.bfloat16
    with autocast(cpu, "fp16"):
        assert (a @ a).dtype == torch.float16
    scaled = [p for p in ("auto", "fp32", "bf16", "fp16") if loss_scaler(cpu, p).is_enabled()]
    assert scaled == ["fp16"]


@pytest.mark.parametrize(
    ("kind", "capability", "chosen"),
    [
        ("cuda", 6, "fp32"),  # Pascal: fp16 without tensor cores
        (
            "cuda",
            7,
            "fp16",
        ),  # Volta and Turing: torch emulates bf16 there and says that it is supported
        ("cuda", 8, "bf16"),  # Ampere
        ("cuda", 12, "bf16"),
        ("mps", 0, "fp32"),
        ("cpu", 0, "fp32"),
    ],
)
def test_auto_is_what_the_device_has_in_hardware(kind: str, capability: int, chosen: str) -> None:
    assert choose_precision("auto", kind, capability) == chosen
    assert choose_precision("fp16", kind, capability) == "fp16"


def test_bf16_is_refused_where_a_gpu_emulates_it() -> None:
    with pytest.raises(
        ParamsError, match=r"precision: found bf16, .*capability 7.* Set auto, fp16"
    ):
        choose_precision("bf16", "cuda", 7)
    assert choose_precision("bf16", "cuda", 8) == choose_precision("bf16", "cpu", 0) == "bf16"


def test_a_training_can_be_kept_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCRNET_DEVICE", "cpu")
    assert training_device() == torch.device("cpu")
    monkeypatch.setenv("OCRNET_DEVICE", "gpu")
    with pytest.raises(ParamsError, match=r"OCRNET_DEVICE: found 'gpu'\. Set it"):
        training_device()


def test_the_pace_counts_images_and_leaves_out_pauses() -> None:
    """20 of 100 steps of 4 images: 10 steps in 5 s, then 10 in 5 s with a pause of 10 s between; 20 s for 20 steps."""
    now = [0.0]
    pace = Pace(100, first=0, images=4, clock=lambda: now[0])
    now[0] = 5.0
    assert pace.words(10) == "8.0 images/s  45 s left"
    with pace.pause():
        now[0] += 10.0
    now[0] += 5.0
    assert pace.words(20) == "8.0 images/s  1 min 20 s left"


def test_a_resumed_training_counts_from_where_it_went_on() -> None:
    now = [0.0]
    pace = Pace(100, first=90, images=1, clock=lambda: now[0])
    now[0] = 5.0
    assert pace.words(95) == "1.0 images/s  5 s left"
