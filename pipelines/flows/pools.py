"""The pools of the server, for `pipelines.work`, and the dvc.lock of a run, for `pipelines.take`."""

from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
)
from prefect.variables import Variable

from ocrnet.errors import DataError
from pipelines.flows.bootstrap import needs_variable
from pipelines.flows.summary import LOCK_KEY


def read_needs() -> dict[str, dict[str, Any]]:
    """Return what each pool of this repository promises of its machines."""
    with get_client(sync_client=True) as client:
        names = [pool.name for pool in client.read_work_pools()]
    found: dict[str, Any] = {name: Variable.get(needs_variable(name)) for name in names}
    return {name: value for name, value in found.items() if isinstance(value, dict)}


def read_lock(run: str) -> str:
    """Return the dvc.lock that a run of the pipeline made.

    Raises:
        DataError: the run left none.
    """
    try:
        wanted = ArtifactFilter(
            flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(run)]),
            key=ArtifactFilterKey(any_=[LOCK_KEY]),
        )
    except ValueError:
        raise DataError(f"{run!r}: not the id of a flow run. Its page shows it.") from None
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=wanted)
    if not found:
        raise DataError(
            f"run {run}: it left no dvc.lock; no stage of it ended, or it is no run of `pipeline`."
        )
    return str(found[0].data).removeprefix("```yaml\n").removesuffix("```\n")
