"""The flow that runs dvc.yaml: restore stages from the run cache and run the others in their pools."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prefect import flow, get_run_logger
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run as current
from prefect.states import Completed
from ruamel.yaml import YAML

from ocrnet.errors import OcrnetError, ParamsError
from pipelines import _untrusted
from pipelines._command.secrets import has_secret, hide_secrets
from pipelines._repository.clones import LOCK_FILE, Clone, check_out, hold_clone, resolve_revision
from pipelines._repository.result_branch import Lease, check_branch, push_lock
from pipelines._stage.commit import BASE_VARIABLE
from pipelines.flows import command, summary
from pipelines.flows.connection_log import log_in_one_line
from pipelines.flows.deleted_runs import ended_if_deleted
from pipelines.flows.reconnect import keep_lines
from pipelines.flows.stage import refuse
from pipelines.flows.stage_run import Finished, StageRun, once_there, others_online
from pipelines.flows.stage_scheduler import FINAL_CODES, End, Ended, Run, Schedule
from pipelines.flows.start import start_run


@flow(name="pipeline", flow_run_name="pipeline {revision}")
def pipeline(
    repository: str,
    revision: str = "main",
    targets: list[str] | None = None,
    overrides: dict[str, Any] | None = None,
    branch: str = "",
    retries: int = 2,
) -> State[Any]:
    """Run the stages of dvc.yaml on the workers of their pools.

    Args:
        repository: Address of the repository that the workers clone.
        revision: Branch, tag or commit of the repository.
        targets: Names of the stages to run with all stages that they depend on; by default all stages.
        overrides: Params to change, by dotted keys such as train.steps.
        branch: Branch of the origin that gets dvc.lock: a new one, or one of earlier runs. If it is empty, dvc.lock is
            only an artifact of this run.
        retries: Number of times that a stage is started again after its machine failed.
    """
    log_in_one_line()
    keep_lines()
    try:
        _check(targets or [], overrides or {})
        with ended_if_deleted(), hold_clone(repository) as clone:
            commit = resolve_revision(clone, revision)
            lease = check_branch(clone, branch, commit) if branch else None
            made = check_out(clone, commit, overrides or {})
            changes = f", with {overrides}" if overrides else ""
            get_run_logger().info("commit %s of %s%s", commit[:10], repository, changes)
            command.check_params(clone)
            with get_client(sync_client=True) as client:
                runner = Runner(client, clone, repository, commit, dict(overrides or {}))
                words = _run_stages(runner, targets or [], lease=lease, made=made, retries=retries)
    except OcrnetError as error:
        return refuse(error)
    return Completed(message=words)


def _check(targets: Sequence[str], overrides: Mapping[str, Any]) -> None:
    """Check the parameters of the run.

    Raises:
        ParamsError: A target is not the name of a stage, or an override holds a secret, which Prefect would show.
    """
    for target in targets:
        _untrusted.stage_name(target, "targets")
    if has_secret(overrides):
        raise ParamsError(
            f"overrides: {hide_secrets(str(dict(overrides)))}: a value holds a password or a token, which Prefect "
            "stores and shows. Change that password and give it to the workers: docs/flows.md, Credentials."
        )


def _run_stages(
    runner: "Runner", targets: Sequence[str], *, lease: Lease | None, made: str, retries: int
) -> str:
    logger = get_run_logger()
    clone = runner.clone
    schedule = Schedule(
        advance=lambda done: command.advance(clone, targets, done),
        start=runner.start, logger=logger, retries=retries,
    )  # fmt: skip
    failure = branch = ""
    try:
        schedule.run()
        if lease is not None:
            pushed = push_lock(clone, lease)
            branch = lease.branch
            logger.info("dvc.lock is on branch %s, commit %s", branch, pushed[:10])
        command.prune(clone)
    except OcrnetError as error:
        failure = hide_secrets(str(error))
        raise
    finally:
        facts = summary.Facts(runner.commit, made, branch, runner.flow_runs, failure)
        summary.publish(clone.folder, schedule.history, facts)
    ran = sum(one.state == "ran" for one in schedule.history.values())
    return f"{ran} stages ran, {len(schedule.history) - ran} were restored"


@dataclass
class Runner:
    """Starts stages: small ones in this process, the others as runs of the deployment of their pool.

    Args:
        client: Open client of the Prefect server.
        clone: Clone of this run of the pipeline.
        repository: Address of the repository that the workers clone.
        commit: Commit of the whole run, before overrides.
        overrides: Params to change, by dotted keys.
        flow_runs: Id of the last flow run of each stage that ran on a worker, by the name of the stage.
    """

    client: SyncPrefectClient
    clone: Clone
    repository: str
    commit: str
    overrides: dict[str, Any]
    flow_runs: dict[str, str] = field(default_factory=dict)

    def start(self, node: Mapping[str, Any], avoid: Sequence[str]) -> Run:
        """Start a stage.

        Raises:
            ParamsError: The pool of the stage has no deployment.
        """
        if node["small"]:
            return self._run_here(node["name"])
        avoid = once_there(lambda: self._still_avoided(node["pool"], avoid))
        parameters = {
            "stage": node["name"], "repository": self.repository, "commit": self.commit,
            "overrides": self.overrides, "lock": self._lock_of(node["upstream"]), "avoid": avoid,
        }  # fmt: skip
        name = f"stage/{node['pool']}"
        try:
            run = once_there(lambda: start_run(name, parameters, name=node["name"]))
        except ObjectNotFound:
            raise ParamsError(
                f"dvc.yaml: {node['name']}: meta.pool is {node['pool']!r}, but the server has no deployment {name}. "
                "Run `python -m pipelines.deploy`."
            ) from None
        self.flow_runs[node["name"]] = str(run.id)
        get_run_logger().info("%s: waits for a worker of pool %s", node["name"], node["pool"])
        return StageRun(self.client, run.id)

    def _still_avoided(self, pool: str, avoid: Sequence[str]) -> list[str]:
        """Return the workers that the stage should avoid; none if no other worker is online."""
        return sorted(avoid) if others_online(self.client, pool, avoid) else []

    def _run_here(self, name: str) -> Run:
        logger = get_run_logger()
        environment = {
            BASE_VARIABLE: self.commit,
            "OCRNET_FLOW_RUNS": json.dumps(self.flow_runs),
            "PREFECT_PARENT_FLOW_RUN_ID": str(current.get_id() or ""),
        }
        code, lines = command.run_stage(self.clone, name, log=logger.info, environment=environment)
        if code == 0:
            return Finished(Ended(End.DONE))
        how = End.FAILED if code in FINAL_CODES else End.LOST
        return Finished(Ended(how, f"exit code {code}: {' | '.join(lines[-4:])}", code))

    def _lock_of(self, names: Sequence[str]) -> str:
        """Return the entries of some stages in dvc.lock, with commands and outputs, as JSON."""
        path = self.clone.folder / LOCK_FILE
        if not path.exists():
            return ""
        stages = YAML(typ="safe").load(path).get("stages") or {}
        kept = {
            name: {"cmd": stages[name]["cmd"], "outs": stages[name].get("outs", [])}
            for name in names
            if name in stages
        }
        return json.dumps({"schema": "2.0", "stages": kept})
