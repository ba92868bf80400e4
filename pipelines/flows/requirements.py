"""Check whether this machine has the resources that a pool requires."""

import math
import os
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

GIB = 2**30
KEYS = {
    "gpus": "GPUs",
    "gpu_memory_gib": "GiB of memory on each GPU",
    "cpus": "processor cores",
    "memory_gib": "GiB of memory",
    "disk_gib": "GiB free on the disk of the clones",
}


def gpu_memory_gib() -> list[float]:
    """Return the memory of each GPU that the driver lists, by its index, in GiB; empty if there is no driver."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    query = [tool, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    done = subprocess.run(query, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        return []
    return [float(line) / 1024 for line in done.stdout.split()]


def lacks(needs: Mapping[str, Any], gpus: "list[float]", disk: str) -> list[str]:
    """Return a line for each required resource that this machine lacks.

    Args:
        needs: Resources that the pool requires, by the names of `KEYS`.
        gpus: Memory of each GPU of the worker, in GiB.
        disk: Folder on the disk whose free space counts.
    """
    found = {
        "gpus": float(len(gpus)),
        "gpu_memory_gib": min(gpus, default=0.0),
        "cpus": float(core_count()),
        "memory_gib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB,
        "disk_gib": shutil.disk_usage(disk).free / GIB,
    }
    lines = ["git is not on PATH"] if shutil.which("git") is None else []
    return lines + [
        f"found {found[key]:.4g} {KEYS[key]}, the pool requires {float(value):g}"
        for key, value in needs.items()
        if key in KEYS and found[key] < float(value)
    ]


def parse_needs(text: str) -> tuple[str, dict[str, float]]:
    """Read `gpu:gpus=1,gpu_memory_gib=16`.

    Raises:
        ValueError: The text does not have that form.
    """
    pool, _, rest = text.partition(":")
    values = {}
    for item in filter(None, rest.split(",")):
        key, _, value = item.partition("=")
        if key not in KEYS:
            raise ValueError(f"--needs {text}: {key!r} is not one of {', '.join(KEYS)}")
        if key in values:
            raise ValueError(f"--needs {text}: {key} is given twice")
        values[key] = _amount(text, key, value)
    return pool, values


def _amount(text: str, key: str, value: str) -> float:
    try:
        found = float(value)
    except ValueError:
        found = math.nan
    if not (math.isfinite(found) and found >= 0) or (key == "gpus" and found != int(found)):
        kind = "a whole number" if key == "gpus" else "a number"
        raise ValueError(f"--needs {text}: {key}: found {value!r}, expected {kind} from 0")
    return found


def core_count() -> int:
    """Return the number of processor cores that this process may use; all if the system does not report it."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
