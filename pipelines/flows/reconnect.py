"""Keep a worker and the log lines of its runs while the server is unreachable.

Prefect's loops end after a few requests without an answer: the worker would end with its run within a minute, and after
half a minute a run could no longer be cancelled. Prefect drops a batch of log lines that the server does not accept at
once.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from prefect._internal import observers
from prefect.logging.handlers import APILogWorker
from prefect.workers import base

SLOWEST_S = 10.0
LINES_KEPT_S = 180.0  # as long as a run whose server is unreachable counts as alive


def be_patient() -> None:
    """Replace Prefect's loop by `poll_forever` for the workers of this process and the observers of their runs."""
    for module in (base, observers):
        module.critical_service_loop = poll_forever  # type: ignore[attr-defined]


async def poll_forever(
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


def keep_lines() -> None:
    """Let the runs of this process send their log lines again until the server accepts them."""
    if APILogWorker._handle_batch is not _send_lines:
        APILogWorker._handle_batch = _send_lines  # type: ignore[method-assign]


_SEND_ONCE = APILogWorker._handle_batch


async def _send_lines(self: APILogWorker, items: list[dict[str, Any]]) -> None:
    """Send a batch of lines; after a refusal or `LINES_KEPT_S`, Prefect tries once more and reports a failure."""
    end, pause = time.monotonic() + LINES_KEPT_S, 0.5
    while time.monotonic() < end:
        try:
            await self._client.create_logs(items)
            return
        except httpx.TransportError:
            pass
        except httpx.HTTPStatusError as error:
            if error.response.status_code < 500:
                break
        await asyncio.sleep(pause)
        pause = min(2 * pause, SLOWEST_S)
    await _SEND_ONCE(self, items)
