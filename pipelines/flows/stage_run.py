"""A started stage, as the pipeline asks it: how far is it, and how did it end."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import httpx
from prefect import get_run_logger
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, State, WorkerStatus
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling

from pipelines.flows.stage import DECLINED, EXIT
from pipelines.flows.stage_scheduler import FINAL_CODES, End, Ended

POLL_INTERVAL_S = 2.0  # each question costs the server a hundredth of a second of a core
# A server that comes back later finds the outputs of the stages in the run cache.
SERVER_UNREACHABLE_S = 1800.0
WORKER_LABEL = "prefect.worker.name"
Found = TypeVar("Found")


@dataclass(frozen=True)
class Finished:
    """A stage that ran in this process."""

    ended: Ended

    def poll(self) -> Ended:
        """Return how it ended."""
        return self.ended

    def cancel(self) -> None:
        """Do nothing: the stage has ended."""


class StageRun:
    """A flow run of a stage.

    Args:
        client: Open client of the Prefect server.
        id: Id of the flow run.
    """

    def __init__(self, client: SyncPrefectClient, id: UUID) -> None:
        self._client = client
        self._id = id
        self._asked = 0.0
        self._unreachable_since: float | None = None

    def poll(self) -> Ended | None:
        """Ask the server at most once per `POLL_INTERVAL_S`; wait for a server that does not answer."""
        now = time.monotonic()
        if now - self._asked < POLL_INTERVAL_S:
            return None
        self._asked = now
        try:
            run = self._client.read_flow_run(self._id)
        except ObjectNotFound:
            return Ended(End.CANCELLED, "its run was deleted, which counts as cancelled")
        except httpx.HTTPError as error:
            if self._unreachable_since is None:
                self._unreachable_since = now
                get_run_logger().warning("the Prefect server does not answer (%s); waiting", error)
            if now - self._unreachable_since > SERVER_UNREACHABLE_S:
                raise
            return None
        self._unreachable_since = None
        return ended_of(run)

    def cancel(self) -> None:
        """Ask the worker to end it."""
        try:
            self._client.set_flow_run_state(self._id, Cancelling())
        except Exception as error:  # Prefect itself cancels the runs of a cancelled parent later
            get_run_logger().warning("%s could not be cancelled: %s", self._id, error)


def once_there(ask: Callable[[], Found]) -> Found:
    """Ask the server, and ask again while no connection can be made.

    Raises:
        httpx.ConnectError: The server does not answer for `SERVER_UNREACHABLE_S`.
    """
    ends = time.monotonic() + SERVER_UNREACHABLE_S
    while True:
        try:
            return ask()
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            if time.monotonic() > ends:
                raise
            get_run_logger().warning("the Prefect server does not answer (%s); waiting", error)
            time.sleep(POLL_INTERVAL_S)


def ended_of(run: FlowRun) -> Ended | None:
    """Return how a flow run of a stage ended; None if it has not ended."""
    state: State[Any] | None = run.state
    if state is None or not state.is_final():
        return None
    worker = str(run.labels.get(WORKER_LABEL, ""))
    name = state.name or ""
    words = state.message or name
    if state.is_completed():
        return Ended(End.DECLINED if name == DECLINED else End.DONE, words, worker=worker)
    if state.is_cancelled():
        return Ended(End.CANCELLED, "it was cancelled", worker=worker)
    if state.is_crashed():
        return Ended(End.LOST, words, worker=worker)
    code = int(name.removeprefix(EXIT)) if name.startswith(EXIT) else 1
    return Ended(End.FAILED if code in FINAL_CODES else End.LOST, words, code, worker)


def others_online(client: SyncPrefectClient, pool: str, avoid: Sequence[str]) -> bool:
    """Tell whether a pool has an online worker that is not among those named."""
    if not avoid:
        return False
    workers = client.read_workers_for_work_pool(pool)
    return any(item.status == WorkerStatus.ONLINE and item.name not in avoid for item in workers)
