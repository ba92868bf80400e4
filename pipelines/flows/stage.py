"""The flow of one stage: run it in a clone of its own and transfer the outputs."""

import json
import os
import time
from typing import Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from ocrnet.errors import OcrnetError
from pipelines import _untrusted
from pipelines._command.secrets import hide_secrets
from pipelines._dvc_files.lock_check import GRAPH_FILE, Templates, check_lock
from pipelines._repository.clones import LOCK_FILE, Clone, check_out, hold_clone
from pipelines._stage.commit import BASE_VARIABLE
from pipelines.flows.command import run_stage
from pipelines.flows.connection_log import log_in_one_line
from pipelines.flows.deleted_runs import ended_if_deleted
from pipelines.flows.reconnect import keep_lines

DECLINED = "Declined"
EXIT = "Exit"  # the name of a failed state is this word with the exit code
PROGRESS_INTERVAL_S = 5.0


@flow(name="stage", flow_run_name="{stage}", log_prints=False)
def stage(
    stage: str,
    repository: str,
    commit: str,
    overrides: dict[str, Any] | None = None,
    lock: str = "",
    avoid: list[str] | None = None,
) -> State[Any]:
    """Run one stage of dvc.yaml.

    Args:
        stage: Name of the stage in DVC, such as train@0.
        repository: Address of the repository that the worker clones.
        commit: Commit of the whole run of the pipeline.
        overrides: Params to change, by dotted keys.
        lock: Entries of dvc.lock for the stages whose outputs this stage reads.
        avoid: Names of workers that decline the stage, because they lost it before.
    """
    log_in_one_line()
    keep_lines()
    logger = get_run_logger()
    worker = os.environ.get("PREFECT__WORKER_NAME", "")
    if worker in (avoid or []):
        return Completed(
            name=DECLINED,
            message=f"{worker} lost this stage before and leaves it to another worker",
        )
    try:
        _untrusted.stage_name(stage, "stage")
        with ended_if_deleted(), hold_clone(repository) as clone:
            check_out(clone, commit, overrides or {})
            put_lock(clone, stage, lock)
            logger.info("%s: on %s in %s", stage, worker or "this machine", clone.folder.name)
            code, lines = run_stage(
                clone,
                stage,
                log=logger.info,
                progress=Progress(stage),
                environment={BASE_VARIABLE: commit},
            )
    except OcrnetError as error:
        return refuse(error)
    if code:
        return Failed(name=f"{EXIT}{code}", message=f"exit code {code}: {' | '.join(lines[-4:])}")
    return Completed(message=f"{stage}: outputs are in the run cache")


def refuse(error: OcrnetError) -> State[Any]:
    """Return the failed state of a run that ended by an error of the project."""
    return Failed(name=f"{EXIT}{error.exit_code}", message=hide_secrets(str(error)))


def put_lock(clone: Clone, stage: str, lock: str) -> None:
    """Write the given entries of dvc.lock after a check against the commit's dvc.yaml.

    Raises:
        ParamsError: An entry contradicts dvc.yaml, or dvc.yaml does not have the stage.
    """
    templates = Templates.read(clone.folder / GRAPH_FILE)
    templates.check_stage(stage)
    if lock:
        templates.check_entries(check_lock(lock, "lock"))
        (clone.folder / LOCK_FILE).write_text(json.dumps(json.loads(lock)))


class Progress:
    """Progress bar on the page of a run: made at the first logged step, moved every few seconds.

    Args:
        stage: Name of the stage.
    """

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._artifact: Any = None
        self._moved = 0.0

    def __call__(self, step: int, steps: int) -> None:
        """Move the bar; an error of the server is ignored."""
        share = 100.0 * min(step / max(steps, 1), 1.0)
        now = time.monotonic()
        if share < 100.0 and now - self._moved < PROGRESS_INTERVAL_S:
            return
        self._moved = now
        try:
            if self._artifact is None:
                self._artifact = create_progress_artifact(
                    share, description=f"steps of {self._stage}"
                )
            else:
                update_progress_artifact(self._artifact, share)
        except Exception as error:  # nothing depends on the bar
            get_run_logger().debug("progress of %s: %s", self._stage, error)
