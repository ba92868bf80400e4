"""The workers that a machine runs: one per pool and GPU, or per group of GPUs, if it meets the pool's requirements."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocrnet.errors import DataError, ParamsError
from pipelines._repository.clones import CLONES_VARIABLE, DEFAULT_CLONES
from pipelines.flows.requirements import gpu_memory_gib, lacks

WAITING_POOL = "pipelines"  # the runs of this pool wait for others: one machine can hold many
WAITING_LIMIT = 8


@dataclass(frozen=True)
class Slot:
    """A worker process.

    Args:
        pool: Name of the pool whose runs the worker starts.
        name: Name of the worker on the server.
        gpus: Indices of the GPUs that the worker sees.
        limit: Largest number of runs at a time.
    """

    pool: str
    name: str
    gpus: tuple[int, ...]
    limit: int = 1


def plan(
    needs: Mapping[str, Mapping[str, Any]], memory: Mapping[int, float], given: argparse.Namespace
) -> list[Slot]:
    """Return the workers to start.

    Args:
        needs: Resources that each pool requires, by the name of the pool.
        memory: Memory of each usable GPU, in GiB, by its index.
        given: Parsed command line.

    Raises:
        ParamsError: The server does not have a named pool.
        DataError: This machine does not meet the requirements of a named pool, or of any pool.
    """
    unknown = [pool for pool in given.pool if pool not in needs]
    if unknown:
        known = ", ".join(needs) or "none"
        raise ParamsError(
            f"--pool {unknown[0]}: the server has no such pool. It has {known}. Run `python -m pipelines.deploy`."
        )
    disk = Path(os.environ.get(CLONES_VARIABLE) or DEFAULT_CLONES).expanduser()
    disk.mkdir(parents=True, exist_ok=True)
    slots: list[Slot] = []
    refused = []
    for pool in given.pool or needs:
        groups = _groups(needs[pool], memory, given)
        found = [memory[index] for group in groups for index in group]
        lines = lacks(_of_machine(needs[pool], groups), found, str(disk))
        if lines:
            refused.append(
                f"pool {pool}: this machine does not meet its requirements: {'; '.join(lines)}"
            )
            continue
        limit = WAITING_LIMIT if pool == WAITING_POOL else 1
        slots += [
            Slot(pool, _name(given.name, pool, group, i), group, limit)
            for i, group in enumerate(groups)
        ]
    if refused and (given.pool or not slots):
        raise DataError("\n".join(refused))
    for line in refused:
        print(f"workers: {line}", file=sys.stderr)
    return slots


def _of_machine(needs: Mapping[str, Any], groups: "Sequence[tuple[int, ...]]") -> dict[str, Any]:
    """Return the resources that all workers of this machine need together; each uses a group of GPUs."""
    return {**needs, "gpus": float(needs.get("gpus", 0)) * max(1, len(groups))}


def _groups(
    needs: Mapping[str, Any], memory: Mapping[int, float], given: argparse.Namespace
) -> list[tuple[int, ...]]:
    wanted = int(needs.get("gpus", 0))
    if not wanted:
        return [()] * given.slots
    size = max(wanted, given.group)
    indices = sorted(memory)
    return [tuple(indices[i : i + size]) for i in range(0, len(indices) - size + 1, size)]


def _name(machine: str, pool: str, group: tuple[int, ...], index: int) -> str:
    return "-".join([machine, pool, *map(str, group or (index,))])


def usable_gpus(text: str) -> dict[int, float]:
    """Return the memory of the GPUs that the command line names.

    Raises:
        ParamsError: This machine does not have a GPU that is named.
    """
    found = dict(enumerate(gpu_memory_gib()))
    if text == "all":
        return found
    try:
        wanted = [int(item) for item in text.split(",")]
    except ValueError:
        raise ParamsError(f"--gpus: found {text!r}. Write all, or indices such as 0,2.") from None
    missing = [index for index in wanted if index not in found]
    if missing:
        raise ParamsError(
            f"--gpus {text}: this machine has {len(found)} GPUs. Write indices from 0."
        )
    return {index: found[index] for index in wanted}
