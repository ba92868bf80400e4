"""Device, precision, pace, and seeds that depend only on their key."""

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import numpy as np
import torch


def pick_device() -> torch.device:
    """Return the current CUDA device if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def key_seed(*key: int | str) -> int:
    """Return a seed of 63 bits that depends only on the key.

    A generator keyed by (seed, step) or (seed, step, index) has no state to save, and gives the same samples
    for any number of workers and after a restart.
    """
    digest = hashlib.sha256("\0".join(str(part) for part in key).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def keyed_generator(*key: int | str) -> torch.Generator:
    """Return a CPU generator that depends only on the key."""
    return torch.Generator().manual_seed(key_seed(*key))


def uniform(generator: torch.Generator, low: float = 0.0, high: float = 1.0) -> float:
    """Draw one number from [low, high)."""
    return low + (high - low) * float(torch.rand((), generator=generator))


def layout_seed(seed: int, index: int) -> int:
    """Return the seed of one layout, from the set's seed and the layout's index."""
    return int(np.random.SeedSequence([seed % 2**64, index]).generate_state(1)[0])


@contextlib.contextmanager
def seeded(*key: int | str) -> Iterator[None]:
    """Seed torch's global generators by the key inside the block, and restore them after it."""
    # By default the generators of all devices would be saved, with a warning if there are several.
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(key_seed(*key))
        yield


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Return the autocast context of a precision: auto, fp32 or bf16.

    `auto` is bf16 on a CUDA device that supports it and fp32 elsewhere: a CPU without bf16 instructions is several
    times slower with bf16.
    """
    if precision == "auto":
        has_bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
        precision = "bf16" if has_bf16 else "fp32"
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


class Pace:
    """Images per second of a training, and the time that is left.

    Args:
        steps: Number of steps of the whole training.
        first: Number of steps that are already done.
        images: Number of images per step, over all processes.
        clock: Function that returns seconds.
    """

    def __init__(
        self, steps: int, *, first: int, images: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._steps, self._images, self._clock = steps, images, clock
        self._first = self._step = first
        self._started = self._last = clock()
        self._paused = 0.0

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        """Count the time inside the block, such as of a validation, only for the time that is left."""
        started = self._clock()
        yield
        self._paused += self._clock() - started

    def words(self, step: int) -> str:
        """Return the images per second since the last call and the time left: "12.3 images/s  4 min 0 s left"."""
        now = self._clock()
        rate = self._images * (step - self._step) / max(now - self._last - self._paused, 1e-9)
        left = (now - self._started) / max(step - self._first, 1) * (self._steps - step)
        self._step, self._last, self._paused = step, now, 0.0
        return f"{rate:.1f} images/s  {duration(left)} left"


def duration(seconds: float) -> str:
    """Return a duration as text.

    Examples:
        >>> duration(41.2), duration(150.0), duration(8000.0)
        ('41 s', '2 min 30 s', '2 h 13 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
