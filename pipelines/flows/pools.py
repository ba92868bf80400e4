"""The pools of the server, for `pipelines.workers`, and the dvc.lock of a run, for `pipelines.fetch_run`."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
)
from prefect.variables import Variable

from ocrnet.errors import DataError, ParamsError, ServerError
from pipelines._command.secrets import hide_secrets
from pipelines._servers.access import FILE, PREFECT_API, PREFECT_PASSWORD
from pipelines._untrusted import pool_name, shown
from pipelines.flows.requirements import KEYS
from pipelines.flows.server_setup import needs_variable
from pipelines.flows.summary import LOCK_KEY


@contextmanager
def asking() -> Iterator[None]:
    """Turn an error of the server, or a missing answer, into an error of one line.

    Raises:
        ParamsError: The server asks for another password.
        ServerError: The server does not answer, or answers with an error.
    """
    place = f"{PREFECT_API}={hide_secrets(os.environ.get(PREFECT_API, ''))}"
    try:
        yield
    except httpx.HTTPStatusError as error:
        code = error.response.status_code
        if code not in (401, 403):
            raise ServerError(f"{place}: HTTP {code}: {error.response.text[:200]}") from None
        what = "is wrong" if os.environ.get(PREFECT_PASSWORD) else "is not set"
        raise ParamsError(
            f"{place}: the server asks for a password (HTTP {code}), and {PREFECT_PASSWORD} {what}. The password of "
            f"`make servers` is in {FILE} of its checkout. Run: source {FILE}"
        ) from None
    except httpx.HTTPError as error:
        raise ServerError(
            f"{place}: {error or type(error).__name__}. Check that the server runs."
        ) from None


def check_password() -> None:
    """Check that the server accepts the password, by a request that needs it.

    Raises:
        ParamsError: The server asks for another password.
        ServerError: The server does not answer.
    """
    with asking(), get_client(sync_client=True) as client:
        client.api_version()


def read_needs() -> dict[str, dict[str, Any]]:
    """Return the resources that each pool of this repository requires."""
    with get_client(sync_client=True) as client:
        names = [pool.name for pool in client.read_work_pools()]
    found: dict[str, Any] = {name: Variable.get(needs_variable(name)) for name in names}
    return {name: _checked(name, value) for name, value in found.items() if isinstance(value, dict)}


def _checked(pool: str, needs: dict[str, Any]) -> dict[str, float]:
    """Return the resources that a pool requires after a check: anyone may have changed them on the server.

    Raises:
        DataError: The name of the pool is not valid, or a requirement is not a known number.
    """
    pool_name(pool, "pool", DataError)
    try:
        values = {str(key): float(value) for key, value in needs.items()}
    except (TypeError, ValueError):
        values = {"": math.nan}
    if not all(key in KEYS and 0 <= value < math.inf for key, value in values.items()):
        raise DataError(
            f"pool {pool}: found the requirements {shown(needs)}. Allowed are numbers of {', '.join(KEYS)}. "
            "Run `python -m pipelines.deploy` again."
        )
    return values


def read_lock(run: str) -> str:
    """Return the dvc.lock that a run of the pipeline made.

    Raises:
        DataError: The run has no `dvc.lock`.
    """
    try:
        wanted = ArtifactFilter(
            flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(run)]),
            key=ArtifactFilterKey(any_=[LOCK_KEY]),
        )
    except ValueError:
        raise DataError(
            f"{run!r}: this is not the id of a flow run. Copy the id from the run's page."
        ) from None
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=wanted)
    if not found:
        raise DataError(
            f"run {run}: it has no dvc.lock. Either none of its stages has ended, or it is not a run of `pipeline`."
        )
    return str(found[0].data).removeprefix("```yaml\n").removesuffix("```\n")
