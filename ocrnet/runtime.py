"""What the code runs on: device, precision, and seeds that depend on nothing but their key."""

import contextlib
import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager

import numpy as np
import torch


def pick_device() -> torch.device:
    """Return the current CUDA device where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def key_seed(*key: int | str) -> int:
    """Return a seed of 63 bits that is a function of the key alone.

    A generator keyed by (seed, step) or (seed, step, index) has no state to save, and gives the same samples
    for any number of workers and after a restart.
    """
    digest = hashlib.sha256("\0".join(str(part) for part in key).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def keyed_generator(*key: int | str) -> torch.Generator:
    """Return a CPU generator that is a function of the key alone."""
    return torch.Generator().manual_seed(key_seed(*key))


def layout_seed(seed: int, index: int) -> int:
    """Return the seed of one layout: a function of the set's seed and the layout's index."""
    return int(np.random.SeedSequence([seed % 2**64, index]).generate_state(1)[0])


@contextlib.contextmanager
def seeded(*key: int | str) -> Iterator[None]:
    """Seed torch's global generators by the key inside the block, and put them back after it."""
    # By default the generators of all devices would be kept, with a warning where there are several.
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(key_seed(*key))
        yield


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Return the autocast context of a precision: auto, fp32 or bf16.

    `auto` is bf16 on a CUDA device that has it and fp32 elsewhere: a CPU without bf16 instructions is several
    times slower with it.
    """
    if precision == "auto":
        has_bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
        precision = "bf16" if has_bf16 else "fp32"
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
