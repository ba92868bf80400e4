"""Keep a worker alive while the server is unreachable.

Prefect's loops give up after a few requests without an answer: within a minute the worker would end, and its run with
it; after half a minute a run could no longer be cancelled.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from prefect._internal import observers
from prefect.workers import base

SLOWEST_S = 10.0


def be_patient() -> None:
    """Replace Prefect's loop by `ask_for_ever` for the workers of this process and the observers of their runs."""
    for module in (base, observers):
        module.critical_service_loop = ask_for_ever  # type: ignore[attr-defined]


async def ask_for_ever(
    workload: Callable[[], Awaitable[Any]], interval: float, run_once: bool = False, **_: Any
) -> None:
    """Ask the server at intervals, however long it is unreachable."""
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
