"""Device, precision, pace, and seeds that depend only on their key."""

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

import numpy as np
import torch

from ocrnet.errors import ParamsError, TrainError

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
# First major number of a compute capability whose GPUs calculate in this format; others emulate bf16, and calculate in
# fp16 slower than in fp32 or not at all. `torch.cuda.is_bf16_supported()` counts emulation, too.
BF16_CAPABILITY = 8
FP16_CAPABILITY = 7
DEVICE_VARIABLE = "OCRNET_DEVICE"


def pick_device() -> torch.device:
    """Return the current CUDA device if there is one, else the CPU.

    Predictions and scores run there: they add up in float64, which Apple's GPUs do not have.
    """
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def training_device() -> torch.device:
    """Return the device of a training: CUDA, else Apple's GPU (MPS), else the CPU; OCRNET_DEVICE=cpu forces the CPU.

    Raises:
        ParamsError: OCRNET_DEVICE has another value.
    """
    forced = os.environ.get(DEVICE_VARIABLE, "")
    if forced not in ("", "cpu"):
        raise ParamsError(f"{DEVICE_VARIABLE}: found {forced!r}. Set it to cpu, or leave it out.")
    if forced:
        return torch.device(forced)
    # Processes that share a training exchange gradients on CUDA or the CPU.
    is_shared = torch.distributed.is_available() and torch.distributed.is_initialized()
    if not is_shared and not torch.cuda.is_available() and torch.backends.mps.is_available():
        return torch.device("mps")
    return pick_device()


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
    """Return the autocast context of a precision, as `choose_precision` has them."""
    chosen = choose_precision(precision, device.type, _capability(device))
    dtype = DTYPES.get(chosen)
    return torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None)


def loss_scaler(device: torch.device, precision: str) -> torch.amp.GradScaler:
    """Return the scaler of the loss (arXiv:1710.03740) for fp16, where small gradients would be zero; else an idle one.

    An idle scaler changes no bit and has no state.
    """
    chosen = choose_precision(precision, device.type, _capability(device))
    return torch.amp.GradScaler(device.type, enabled=chosen == "fp16")


def check_scale(scaler: torch.amp.GradScaler, place: str, ids: Sequence[str]) -> None:
    """Check after a step that the scale of the loss has not fallen below 1.

    Raises:
        TrainError: It has: the gradients overflow although they are not scaled up.
    """
    if scaler.is_enabled() and scaler.get_scale() < 1:
        raise TrainError(
            f"{place}: the gradient is not finite at any scale of the loss, last on the batch {', '.join(ids)}. Lower "
            "the learning rate, or set precision to fp32."
        )


def choose_precision(given: str, kind: str, capability: int) -> str:
    """Return the precision that a value of `precision` means on a device: fp32, bf16 or fp16.

    `auto` is what the device has in hardware: bf16 on NVIDIA's GPUs from Ampere on, fp16 on Volta and Turing. It is
    fp32 elsewhere: a CPU without bf16 instructions is several times slower with bf16.

    Args:
        given: auto, fp32, bf16 or fp16.
        kind: Type of the device: cuda, mps or cpu.
        capability: Major number of the compute capability of a CUDA device; 0 for others.

    Raises:
        ParamsError: bf16 is given for a GPU that emulates it.

    Examples:
        >>> [choose_precision("auto", "cuda", major) for major in (6, 7, 8, 9)]
        ['fp32', 'fp16', 'bf16', 'bf16']
    """
    if given == "bf16" and kind == "cuda" and capability < BF16_CAPABILITY:
        raise ParamsError(
            f"params.yaml: precision: found bf16, but the GPU of this machine (compute capability {capability}) only "
            "emulates it, which is slow. Set auto, fp16 or fp32."
        )
    if given != "auto":
        return given
    if kind != "cuda" or capability < FP16_CAPABILITY:
        return "fp32"
    return "bf16" if capability >= BF16_CAPABILITY else "fp16"


def _capability(device: torch.device) -> int:
    return torch.cuda.get_device_capability(device)[0] if device.type == "cuda" else 0


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
