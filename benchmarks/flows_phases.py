"""When each phase of a stage's run began, from the states and the log that Prefect keeps of it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

PHASES = {
    "queue": "until a worker that is free takes it",
    "engine": "until the flow runs: one interpreter with Prefect",
    "bring": "clone at the commit, DVC, what the stage reads",
    "command": "the stage itself",
    "send": "outputs into the cache or the remote, the run's end told",
    "notice": "until the parent sees the end",
}


@dataclass(frozen=True)
class StageTimes:
    """The times of one stage.

    Args:
        name: of the stage.
        created: when the parent started it, in seconds since the epoch.
        ended: when the parent saw its end.
        phases: seconds, by the names of `PHASES`.
    """

    name: str
    created: float
    ended: float
    phases: dict[str, float]

    @property
    def seconds(self) -> float:
        """From its start by the parent to its end as the parent sees it."""
        return self.ended - self.created


def phases_of(run: str) -> list[StageTimes]:
    """Return the times of the stages that a run of the pipeline started on workers, in the order in which they ended.

    A stage that waits for another one on the same worker begins when that one ends.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId

    wanted = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[UUID(run)]))
    with get_client(sync_client=True) as client:
        parent = _log_of(client, UUID(run))
        children = client.read_flow_runs(flow_run_filter=wanted)
        found = [(child, _moments(client, child, parent)) for child in children]
    found.sort(key=lambda pair: pair[1][-2])
    stages: list[StageTimes] = []
    free: dict[str, float] = {}  # when each worker ended what it had
    for child, moments in found:
        worker = str(child.labels.get("prefect.worker.name", ""))
        moments[0] = min(max(moments[0], free.get(worker, 0.0)), moments[1])
        free[worker] = moments[-2]
        phases = {
            name: after - before
            for name, before, after in zip(PHASES, moments[:-1], moments[1:], strict=True)
        }
        stages.append(StageTimes(child.name, moments[0], moments[-1], phases))
    return stages


def _moments(
    client: "SyncPrefectClient", child: "FlowRun", parent: list[tuple[float, str]]
) -> list[float]:
    """Return when each phase of a stage began, and when the last one ended."""
    states = {
        state.name: state.timestamp.timestamp() for state in client.read_flow_run_states(child.id)
    }
    log = _log_of(client, child.id)
    started, stopped = _first(log, "> "), _first(log, "lock file 'dvc.lock'")
    seen = _first(parent, f"{child.name}: done in")
    return [
        states["Scheduled"], states["Pending"], states["Running"], started, stopped,
        states["Completed"], max(seen, states["Completed"]),
    ]  # fmt: skip


def _log_of(client: "SyncPrefectClient", id: UUID) -> list[tuple[float, str]]:
    from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
    from prefect.client.schemas.sorting import LogSort

    wanted = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[id]))
    found = client.read_logs(wanted, limit=200, sort=LogSort.TIMESTAMP_ASC)
    return [(line.timestamp.timestamp(), line.message) for line in found]


def _first(log: list[tuple[float, str]], part: str) -> float:
    return next(moment for moment, line in log if part in line)
