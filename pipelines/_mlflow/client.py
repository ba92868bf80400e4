"""mlflow set up for this project: local files by default, short timeouts, no telemetry, nothing printed."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, flock
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING

from .address import STATE, StoreAddress, credentials
from .local_artifacts import ARTIFACTS, check_place

if TYPE_CHECKING:
    from mlflow import MlflowClient

STORE_LOCK = STATE / "mlflow.lock"
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}

# Errors of MLflow that no later call cures. BAD_REQUEST is not among them: MLflow uses it for any error of the
# database.
FINAL_CODES = frozenset({
    "INVALID_PARAMETER_VALUE", "PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED", "ENDPOINT_NOT_FOUND",
    "NOT_IMPLEMENTED", "FEATURE_DISABLED",
})  # fmt: skip


@dataclass(frozen=True)
class Session:
    """An open store and the experiment that gets the runs."""

    client: "MlflowClient"
    experiment_id: str
    target: StoreAddress


def configure(target: StoreAddress) -> None:
    """Set mlflow's environment; settings of the user stay, except that telemetry and pickles are always off."""
    for name, value in {**SETTINGS, **credentials()}.items():
        os.environ.setdefault(name, value)
    for name in ("MLFLOW_DISABLE_TELEMETRY", "MLFLOW_ALLOW_PICKLE_DESERIALIZATION"):
        os.environ[name] = SETTINGS[name]
    os.environ["MLFLOW_TRACKING_URI"] = target.uri
    for name in (
        "alembic",
        "mlflow.store",
        "mlflow.tracking",
        "mlflow.models",
        "mlflow.pyfunc",
        "urllib3",
    ):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"mlflow\..*")


def connect(target: StoreAddress, experiment: str, *, wait_s: float = 60.0) -> Session:
    """Open the store, make a local one that does not exist yet, and find or make the experiment.

    Args:
        target: Store, from `find_address`.
        experiment: Name of the experiment.
        wait_s: Seconds to wait for another process that is making the local store.

    Raises:
        TimeoutError: the other process takes longer.
        StoreError: the artifacts of the experiment are in another checkout.
    """
    configure(target)
    import mlflow
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    for name in ("alembic", "mlflow"):  # set again: importing mlflow configures its logger
        logging.getLogger(name).setLevel(logging.ERROR)
    with held(STORE_LOCK, wait_s=wait_s):
        mlflow.set_tracking_uri(target.uri)
        client = MlflowClient(tracking_uri=target.uri)
        found = client.get_experiment_by_name(experiment)
        if found is not None:
            check_place(target, found.artifact_location)
            return Session(client, found.experiment_id, target)
        location = None if target.is_http else ARTIFACTS.resolve().as_uri()
        try:
            made = client.create_experiment(experiment, artifact_location=location)
        except MlflowException:  # made on another machine in this moment, or deleted: say which
            found = client.get_experiment_by_name(experiment)
            if found is None:
                raise
            made = found.experiment_id
        return Session(client, made, target)


@contextmanager
def held(path: Path, *, wait_s: float, text: str = "") -> Iterator[None]:
    """Hold a lock file, which the system releases however the process ends.

    Raises:
        TimeoutError: another process holds it for longer than `wait_s`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        end = monotonic() + wait_s
        while not _try_lock(file.fileno()):
            if monotonic() >= end:
                raise TimeoutError(f"{path}: held by another process for {wait_s:.0f} s")
            sleep(0.05)
        try:
            file.truncate(0)
            file.write(text)
            file.flush()
            yield
        finally:
            flock(file.fileno(), LOCK_UN)


def _try_lock(descriptor: int) -> bool:
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_final(error: Exception) -> bool:
    """Tell whether a store will always refuse the same call: it is wrong, or the user lacks the permission.

    The errors of a server that is unreachable, busy or broken are not final: the next call may succeed.
    """
    return getattr(error, "error_code", None) in FINAL_CODES


def outages() -> tuple[type[Exception], ...]:
    """Return the kinds of errors that a call raises where a store is unreachable, busy or refuses it."""
    from alembic.util.exc import CommandError
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, RequestException, SQLAlchemyError, CommandError, OSError
