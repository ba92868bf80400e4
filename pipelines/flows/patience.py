"""A worker that outlasts a server that is away.

Prefect's loops give up after a few questions without an answer: within a minute the worker would end, and what it runs
with it; already after half of one, a run could not be cancelled any more.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from prefect._internal import observers
from prefect.workers import base

SLOWEST_S = 10.0


def be_patient() -> None:
    """Put `ask_for_ever` where the workers of this process and the observers of their runs look for Prefect's loop."""
    for module in (base, observers):
        module.critical_service_loop = ask_for_ever  # type: ignore[attr-defined]


async def ask_for_ever(
    workload: Callable[[], Awaitable[Any]], interval: float, run_once: bool = False, **_: Any
) -> None:
    """Ask the server in intervals, however long it is away."""
    pause = interval
    while True:
        try:
            await workload()
            pause = interval
        except httpx.TransportError:
            pause = max(interval, min(2 * pause, SLOWEST_S))
        except httpx.HTTPStatusError as error:
            if error.response.status_code < 500:
                raise
            pause = max(interval, min(2 * pause, SLOWEST_S))
        if run_once:
            return
        await asyncio.sleep(pause)
