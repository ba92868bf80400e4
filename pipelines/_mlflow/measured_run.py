"""A run of MLflow with what a command measured: params, metrics and files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ocrnet.errors import StoreError
from pipelines._command.secrets import hide_secrets
from pipelines._stage.commit import git_tags

from .address import StoreAddress
from .client import connect, outages

LONGEST_PARAM = 500  # characters


def send_measured(
    target: StoreAddress,
    experiment: str,
    *,
    name: str,
    params: Mapping[str, Any],
    metrics: Mapping[str, float],
    files: Sequence[Path],
) -> str | None:
    """Make a run, and return None, or the reason why the store did not take it.

    Args:
        target: Address of the store.
        experiment: Name of the experiment that gets the run.
        name: Name of the run, and value of its tag `ocrnet.command`.
        params: Params of the run.
        metrics: Metrics of the run.
        files: Files that become its artifacts.
    """
    refusal = target.refusal()
    if refusal is not None:
        return refusal
    try:
        session = connect(target, experiment)
        from mlflow.entities import Metric, Param

        run = session.client.create_run(
            session.experiment_id, run_name=name, tags={"ocrnet.command": name, **git_tags()}
        )
        run_id, time = str(run.info.run_id), run.info.start_time
        session.client.log_batch(
            run_id,
            metrics=[Metric(key, value, time, 0) for key, value in metrics.items()],
            params=[Param(key, hide_secrets(str(value))[:LONGEST_PARAM]) for key, value in params.items()],
        )  # fmt: skip
        for path in files:
            session.client.log_artifact(run_id, str(path))
        session.client.set_terminated(run_id, "FINISHED")
    except StoreError as error:
        return target.redact(str(error))
    except outages() as error:
        return target.redact(str(error))
    return None
