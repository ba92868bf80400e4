"""The servers of one machine: where commands look for them unless told otherwise."""

import os
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

from ocrnet.errors import DataError
from pipelines._workspace import CACHE_VARIABLE, git

HOST = "127.0.0.1"
PREFECT_PORT, MLFLOW_PORT = 4200, 5000
PREFECT_API = "PREFECT_API_URL"
MLFLOW = "MLFLOW_TRACKING_URI"


def set_local_servers() -> bool:
    """Point this process, and all that it starts, at the servers of this machine where no others are named.

    Returns:
        Whether the Prefect server is this machine's.
    """
    local = PREFECT_API not in os.environ
    os.environ.setdefault(PREFECT_API, f"http://{HOST}:{PREFECT_PORT}/api")
    os.environ.setdefault(MLFLOW, f"http://{HOST}:{MLFLOW_PORT}")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("DVC_NO_ANALYTICS", "1")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
    return local


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


def repository_of(folder: Path, *, local: bool) -> str:
    """Return what workers are to clone.

    Args:
        folder: a checkout.
        local: whether all workers are on this machine: then the checkout itself will do, and no commit need be pushed.
    """
    if not local:
        with suppress(DataError):
            return git(folder, "config", "remote.origin.url")
    return str(folder.resolve())


def share_cache_of(folder: Path) -> None:
    """Let the workers of this machine hand outputs over by the cache of a checkout that has no DVC remote."""
    cache = folder / ".dvc" / "cache"
    if os.environ.get(CACHE_VARIABLE) or not cache.parent.is_dir():
        return
    configs = (cache.parent / "config", cache.parent / "config.local")
    if not any("remote =" in path.read_text() for path in configs if path.exists()):
        os.environ[CACHE_VARIABLE] = str(cache.resolve())
