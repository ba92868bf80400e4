"""Make the pools and deployments of the Prefect server, and automations that end the runs of a dead host.

Running this again makes no duplicates: existing objects are updated.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

from prefect import Flow
from prefect.automations import Automation
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import StateType
from prefect.deployments.runner import RunnerDeployment
from prefect.events import EventTrigger
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import Posture
from prefect.exceptions import ObjectAlreadyExists
from prefect.schedules import Schedule
from prefect.types.entrypoint import EntrypointType
from prefect.variables import Variable
from prefect.workers.process import ProcessWorker

from pipelines.flows.cron import next_run, nightly_schedule, watch_schedule
from pipelines.flows.drift_flow import drift
from pipelines.flows.jobs import ENGINE
from pipelines.flows.pipeline import pipeline
from pipelines.flows.promotion_flows import promote, rollback
from pipelines.flows.stage import DECLINED, EXIT, stage
from pipelines.flows.watch import watch

NAME = "main"  # name of every deployment that exists once: `pipeline/main`
PARENT_POOL = (
    "pipelines"  # pool of flows that wait for others: they use no slot that a stage may need
)
HEARTBEAT_S = 30  # the shortest interval that Prefect allows
LOST_AFTER_S = 180  # two heartbeats, and two minutes in which the server may be unreachable
PENDING_LIMIT_S = 300
# Names of states that end a run; a stage that failed has one of its own, such as Exit2.
ENDED = ("Completed", "Failed", "Cancelled", "Crashed", DECLINED, f"{EXIT}*")


def make_all(
    pools: Sequence[str],
    repository: str,
    *,
    revision: str,
    needs: Mapping[str, Mapping[str, float]],
    schedules: "tuple[Schedule, Schedule] | None" = None,
    limits: "tuple[int, int]" = (LOST_AFTER_S, PENDING_LIMIT_S),
) -> list[str]:
    """Make pools, deployments and automations, and return a line about each.

    Args:
        pools: Names of the pools in `dvc.yaml`.
        repository: Address of the repository that the workers clone.
        revision: Default branch, tag or commit of a run.
        needs: Resources that each pool requires, see `pipelines.flows.requirements`.
        schedules: Schedules of the pipeline and of the checks for new raw data; by default both are off.
        limits: Seconds without a sign of life after which a running run, and a pending one, counts as lost.
    """
    lines = []
    names = [PARENT_POOL, *sorted(set(pools) - {PARENT_POOL})]
    with get_client(sync_client=True) as client:
        for name in names:
            lines.append(_make_pool(client, name))
            Variable.set(needs_variable(name), dict(needs.get(name, {})), overwrite=True)
    lines += [_deploy(stage, pool, pool, {"repository": repository}) for pool in names[1:]]
    given = {"repository": repository, "revision": revision}
    cron, every = schedules or (nightly_schedule(""), watch_schedule(0))
    lines.append(_deploy(pipeline, NAME, PARENT_POOL, given, cron))
    lines.append(_deploy(watch, NAME, PARENT_POOL, given, every))
    lines.append(_deploy(promote, NAME, PARENT_POOL, given))
    lines.append(_deploy(rollback, NAME, PARENT_POOL, given))
    lines.append(_deploy(drift, NAME, PARENT_POOL, given))
    return lines + [_automate(one) for one in automations(*limits)]


def needs_variable(pool: str) -> str:
    """Return the name of the variable that holds the requirements of a pool."""
    return f"ocrnet_pool_{pool.replace('-', '_').lower()}"


def automations(lost_after_s: int, pending_limit_s: int) -> list[Automation]:
    """Return automations that end runs whose host has died; without them such runs use their slot forever."""
    runs: dict[str, str | list[str]] = {"prefect.resource.id": "prefect.flow-run.*"}
    ended = {f"prefect.flow-run.{name}" for name in ENDED}
    running = EventTrigger(
        after={"prefect.flow-run.heartbeat"}, expect={"prefect.flow-run.heartbeat", *ended},
        match=runs, for_each={"prefect.resource.id"}, posture=Posture.Proactive, threshold=1,
        within=timedelta(seconds=lost_after_s),
    )  # fmt: skip
    pending = EventTrigger(
        after={"prefect.flow-run.Pending", "prefect.flow-run.Submitting"},
        expect={f"prefect.flow-run.{name}" for name in (*ENDED, "Running", "TimedOut", "Cancelling")},
        match=runs, for_each={"prefect.resource.id"}, posture=Posture.Proactive, threshold=1,
        within=timedelta(seconds=pending_limit_s),
    )  # fmt: skip
    return [
        Automation(
            name=f"ocrnet: a {what} run without a sign of life is lost",
            trigger=trigger,
            actions=[_crash(limit)],
        )
        for what, trigger, limit in (("running", running, lost_after_s), ("pending", pending, pending_limit_s))
    ]  # fmt: skip


def _crash(limit_s: int) -> ChangeFlowRunState:
    return ChangeFlowRunState(
        name=None, state=StateType.CRASHED, message=f"no sign of life for {limit_s} s", force=False
    )


def _make_pool(client: SyncPrefectClient, name: str) -> str:
    template = ProcessWorker.get_default_base_job_template()
    template["variables"]["properties"]["command"]["default"] = ENGINE
    try:
        client.create_work_pool(
            WorkPoolCreate(name=name, type=ProcessWorker.type, base_job_template=template)
        )
    except ObjectAlreadyExists:
        client.update_work_pool(name, WorkPoolUpdate(base_job_template=template))
        return f"pool {name}: updated"
    return f"pool {name}: created"


def _deploy(
    flow: "Flow[Any, Any]",
    name: str,
    pool: str,
    parameters: Mapping[str, Any],
    schedule: Schedule | None = None,
) -> str:
    known = {key: value for key, value in parameters.items() if key in flow.parameters.properties}
    found = flow.to_deployment(
        name, parameters=known, work_pool_name=pool, entrypoint_type=EntrypointType.MODULE_PATH,
        schedules=[schedule] if schedule else [], description=flow.description,
    )  # fmt: skip
    cast(RunnerDeployment, found).apply()  # a coroutine only where an event loop runs
    when = f", {_words(schedule)}" if schedule else ""
    return f"deployment {flow.name}/{name} in pool {pool}{when}"


def _words(schedule: Schedule) -> str:
    if schedule.cron is None:
        return f"every {schedule.interval}{'' if schedule.active else ' (off)'}"
    zone = schedule.timezone or "UTC"
    if not schedule.active:
        return f"{schedule.cron} {zone} (off)"
    return f"{schedule.cron} {zone}, next {next_run(schedule.cron, zone):%Y-%m-%d %H:%M %Z}"


def _automate(automation: Automation) -> str:
    try:
        found = cast(Automation, Automation.read(name=automation.name))
    except ValueError:
        automation.create()
        return f"automation {automation.name}: created"
    found.trigger, found.actions = automation.trigger, automation.actions
    found.update()
    return f"automation {automation.name}: updated"
