"""The pools of the server, for `pipelines.work`, and the dvc.lock of a run, for `pipelines.take`."""

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
from pipelines._access import FILE, PREFECT_API, PREFECT_PASSWORD
from pipelines._command.secrets import hide_secrets
from pipelines._outside import pool_name, shown
from pipelines.flows.bootstrap import needs_variable
from pipelines.flows.needs import KEYS
from pipelines.flows.summary import LOCK_KEY


@contextmanager
def asking() -> Iterator[None]:
    """Tell in one line that the server refuses to answer, or is away.

    Raises:
        ParamsError: it wants another password.
        ServerError: it does not answer, or with an error of its own.
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
            f"{place}: the server asks for a password (HTTP {code}), and {PREFECT_PASSWORD} {what}. That of "
            f"`make servers` is in {FILE} of its checkout: source it."
        ) from None
    except httpx.HTTPError as error:
        raise ServerError(
            f"{place}: {error or type(error).__name__}. Is the server there?"
        ) from None


def check_password() -> None:
    """Ask the server something that it tells no stranger.

    Raises:
        ParamsError: it wants another password.
        ServerError: it does not answer.
    """
    with asking(), get_client(sync_client=True) as client:
        client.api_version()


def read_needs() -> dict[str, dict[str, Any]]:
    """Return what each pool of this repository promises of its machines."""
    with get_client(sync_client=True) as client:
        names = [pool.name for pool in client.read_work_pools()]
    found: dict[str, Any] = {name: Variable.get(needs_variable(name)) for name in names}
    return {name: _checked(name, value) for name, value in found.items() if isinstance(value, dict)}


def _checked(pool: str, needs: dict[str, Any]) -> dict[str, float]:
    """Return what a pool promises, which anyone may have changed on the server.

    Raises:
        DataError: the pool has another name than `deploy` gives, or a promise is no number.
    """
    pool_name(pool, "pool", DataError)
    try:
        values = {str(key): float(value) for key, value in needs.items()}
    except (TypeError, ValueError):
        values = {"": math.nan}
    if not all(key in KEYS and 0 <= value < math.inf for key, value in values.items()):
        raise DataError(
            f"pool {pool}: promises {shown(needs)}. It is numbers of {', '.join(KEYS)}. "
            "Run `python -m pipelines.deploy` again."
        )
    return values


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
