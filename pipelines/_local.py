"""The servers of one machine: where commands look for them unless told otherwise."""

import os
import urllib.error
import urllib.request
from pathlib import Path

from ocrnet.errors import DataError

HOST = "127.0.0.1"
PREFECT_PORT, MLFLOW_PORT = 4200, 5000
PREFECT_API = "PREFECT_API_URL"
MLFLOW = "MLFLOW_TRACKING_URI"


def set_local_servers() -> None:
    """Point this process, and all that it starts, at the servers of this machine where no others are named."""
    os.environ.setdefault(PREFECT_API, f"http://{HOST}:{PREFECT_PORT}/api")
    os.environ.setdefault(MLFLOW, f"http://{HOST}:{MLFLOW_PORT}")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("DVC_NO_ANALYTICS", "1")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")


def check_prefect() -> None:
    """Ask the Prefect server for a sign of life.

    Raises:
        DataError: it gives none.
    """
    address = os.environ[PREFECT_API]
    try:
        urllib.request.urlopen(f"{address}/health", timeout=10).close()
    except urllib.error.HTTPError as error:
        if error.code >= 500:
            raise DataError(f"{PREFECT_API}={address}: HTTP {error.code}") from None
    except OSError as error:
        raise DataError(
            f"{PREFECT_API}={address}: {getattr(error, 'reason', error)}. Start `python -m pipelines.servers`, or name "
            f"your team's server in {PREFECT_API}."
        ) from None


def repository_of(folder: Path) -> str:
    """Return what workers are to clone: the origin of a checkout, or the checkout itself."""
    from pipelines._workspace import git

    try:
        return git(folder, "config", "remote.origin.url")
    except DataError:
        return str(folder.resolve())
