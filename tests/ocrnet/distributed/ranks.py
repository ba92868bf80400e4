"""A function run by the processes of one gloo group, two by default.

A rank is forked from a process that has imported the networks once: to import them costs more than most tests compute.
"""

import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from tests.limits import HANG_S

WORLD = 2
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    ["torch.distributed", "torch._dynamo", "timm", "ocrnet.training.train"]
)


def over_ranks(
    function: Callable[..., Any], *arguments: Any, folder: Path, world: int = WORLD
) -> list[Any]:
    """Call `function(*arguments)` at each rank and return what each of them returned.

    Args:
        function: of a module, so that a new process can find it.
        arguments: picklable.
        folder: for the results; made if it is not there, without an earlier call's.
        world: how many processes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ranks = [
        CONTEXT.Process(target=_run, args=(rank, world, folder, function, arguments))
        for rank in range(world)
    ]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(timeout=HANG_S)
    assert [process.exitcode for process in ranks] == [0] * world
    return [torch.load(str(folder / f"{rank}.pt"), weights_only=False) for rank in range(world)]


def _run(
    rank: int, world: int, folder: Path, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder / 'store'}", rank=rank, world_size=world
    )
    torch.save(function(*arguments), folder / f"{rank}.pt")
    dist.destroy_process_group()
