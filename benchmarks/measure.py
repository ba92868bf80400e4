"""Time and peak memory of two ways to do the same, alternating in one process: only ratios mean something here."""

import ctypes
import gc
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt


class Ratio(NamedTuple):
    """Cost of a way over that of the first: the median over rounds of the time's ratio, its range, and peak memory."""

    time: float
    least_time: float
    most_time: float
    memory: float


def compare(
    ways: Mapping[str, Callable[[], object]], *, rounds: int, device: torch.device
) -> dict[str, Ratio]:
    """Run all ways in turn, `rounds` times after a warm-up, and return each one's cost over that of the first."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, run in ways.items():
            seconds = time_of(run, device=device)
            if turn:
                times[name].append(seconds)
    memory = {name: peak_memory_of(run, device=device) for name, run in ways.items()}
    first = next(iter(ways))
    return {
        name: _ratio(times[first], own, memory[name] / memory[first]) for name, own in times.items()
    }


def _ratio(first: list[float], own: list[float], memory: float) -> Ratio:
    ratios = [b / a for a, b in zip(first, own, strict=True)]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios), memory)


def time_of(run: Callable[[], object], *, device: torch.device) -> float:
    """Return the seconds of one call: of the processor on the CPU, which other work disturbs less, else of the wall."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    _wait(device)
    start = clock()
    run()
    _wait(device)
    return clock() - start


def peak_memory_of(run: Callable[[], object], *, device: torch.device) -> float:
    """Return the most memory that one call holds above what was held before it, in MiB."""
    gc.collect()
    if device.type == "cuda":
        _wait(device)
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        _wait(device)
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    libc = ctypes.CDLL("libc.so.6")
    for option in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
        libc.mallopt(option, 2**16)  # a larger block goes back to the system when it is freed
    libc.malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # sets the high-water mark to what is resident
    resident = _status("VmRSS")
    run()
    return _status("VmHWM") - resident


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _status(key: str) -> float:
    """Return a line of this process's status in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) / 1024
    raise KeyError(key)
