"""End the process of a run that a person deleted: Prefect forgets the run, but its process would keep a slot."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run as current

POLL_S = 5.0


@contextmanager
def ended_if_deleted() -> Iterator[None]:
    """Run a block of a flow, and end the process as a cancellation does once the server no longer has the run."""
    run = current.get_id()
    done = threading.Event()
    if run:
        threading.Thread(target=_watch, args=(UUID(run), done), daemon=True).start()
    try:
        yield
    finally:
        done.set()


def _watch(run: UUID, done: threading.Event) -> None:
    while not done.wait(POLL_S):
        try:
            with get_client(sync_client=True) as client:
                client.read_flow_run(run)
        except ObjectNotFound:
            print(f"run {run} was deleted; its process ends", flush=True)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        except httpx.HTTPError:
            continue  # the server is unreachable, which does not mean that the run was deleted
