"""Run one slot of a worker: after a stop signal it starts no new runs and waits for the running ones.

`python -m pipelines.flows.slot POOL NAME`, started by `pipelines.workers`. The first SIGTERM drains; a second one, or
SIGUSR1, ends the runs too. Prefect's own worker would kill the run on the first one and leave its state as running.
"""

import asyncio
import os
import signal
import sys
from functools import partial
from typing import Any, cast
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Crashed
from prefect.workers.process import ProcessWorker

from pipelines._servers.terminal import Terminal
from pipelines.flows.connection_log import log_in_one_line
from pipelines.flows.jobs import FixedJob
from pipelines.flows.reconnect import be_patient

DRAIN_POLL_S = 0.5


async def serve(pool: str, name: str, limit: int) -> None:
    """Run a worker until a signal stops it and its runs have ended."""
    worker = ProcessWorker(
        work_pool_name=pool, name=name, limit=limit, create_pool_if_not_found=False
    )
    worker.job_configuration = FixedJob
    stopping, ended = asyncio.Event(), asyncio.Event()
    fetch = worker.get_and_submit_flow_runs

    async def fetch_unless_stopping() -> list[FlowRun]:
        return [] if stopping.is_set() else await fetch()

    worker.get_and_submit_flow_runs = fetch_unless_stopping  # type: ignore[method-assign]
    serving = asyncio.create_task(worker.start(printer=partial(print, flush=True)))
    loop, terminal = asyncio.get_running_loop(), Terminal()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # A shell that starts a process by `&` makes it ignore SIGINT; a handler of our own undoes that.
        loop.add_signal_handler(number, _stop, stopping, ended, terminal)
    loop.add_signal_handler(signal.SIGUSR1, _end_at_once, stopping, ended)
    draining = asyncio.create_task(_drain(worker, stopping, serving))
    ending = asyncio.create_task(_end(worker, ended, serving))
    try:
        await serving
    except asyncio.CancelledError:
        if ended.is_set():
            await ending
        print(f"{name}: stopped", flush=True)
    finally:
        draining.cancel()
        ending.cancel()


def _stop(stopping: asyncio.Event, ended: asyncio.Event, terminal: Terminal) -> None:
    terminal.leave_if_closed()  # otherwise a line printed while it drains would end it
    if stopping.is_set():
        ended.set()
    stopping.set()


def _end_at_once(stopping: asyncio.Event, ended: asyncio.Event) -> None:
    ended.set()
    stopping.set()


async def _end(worker: ProcessWorker, ended: asyncio.Event, serving: "asyncio.Task[None]") -> None:
    """End the runs and report that to the server, which would otherwise notice only after missing heartbeats."""
    await ended.wait()
    print(f"{worker.name}: second signal: ending the running runs", flush=True)
    runs = list(worker.limiter.statistics().borrowers)
    serving.cancel()
    await asyncio.wait([serving])
    lost: State[Any] = Crashed(message=f"worker {worker.name} got a second stop signal")
    try:
        async with get_client() as client:
            for run in runs:
                await client.set_flow_run_state(cast(UUID, run), lost)
    except httpx.HTTPError as error:
        print(f"{worker.name}: the server could not be informed: {error}", flush=True)


async def _drain(
    worker: ProcessWorker, stopping: asyncio.Event, serving: "asyncio.Task[None]"
) -> None:
    await stopping.wait()
    waited = False
    while worker._submitting_flow_run_ids or worker.limiter.borrowed_tokens:
        if not waited:
            runs = worker.limiter.statistics().borrowers
            print(
                f"{worker.name}: taking no new runs; waiting for {', '.join(map(str, runs))}",
                flush=True,
            )
            waited = True
        await asyncio.sleep(DRAIN_POLL_S)
    serving.cancel()


def main() -> int:
    """Run the slot and return the exit code."""
    pool, name, limit = sys.argv[1:4]
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # drain when `pipelines.workers` has ended
    os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "30")
    be_patient()
    log_in_one_line()
    asyncio.run(serve(pool, name, int(limit)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
