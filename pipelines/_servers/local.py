"""The servers of one machine: the default addresses of all commands."""

import os
import urllib.error
import urllib.request
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

from ocrnet.errors import DataError, ParamsError, ServerError
from pipelines._command.secrets import hide_secrets
from pipelines._repository.clones import CACHE_VARIABLE
from pipelines._repository.git import git
from pipelines._servers.access import (
    HOST,
    MLFLOW,
    MLFLOW_PORT,
    PREFECT_API,
    PREFECT_PORT,
    credentials_for,
    is_local,
    read_access,
)

DEFAULTS = {
    PREFECT_API: f"http://{HOST}:{PREFECT_PORT}/api",
    MLFLOW: f"http://{HOST}:{MLFLOW_PORT}",
}


def set_local_servers() -> bool:
    """Point this process and its children at the servers of this machine, unless the environment names others.

    The password of a server of this checkout comes from its file and is sent only to that server.

    Returns:
        Whether the Prefect server is this machine's.
    """
    access = read_access()
    for variable, default in DEFAULTS.items():
        address = os.environ.get(variable) or access.get(variable, default)
        os.environ[variable] = address
        for name, value in credentials_for(variable, address, access).items():
            os.environ.setdefault(name, value)
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("DVC_NO_ANALYTICS", "1")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
    return is_local(os.environ[PREFECT_API])


def check_prefect() -> None:
    """Ask the Prefect server for a sign of life.

    Raises:
        ServerError: The server does not answer.
    """
    address = os.environ[PREFECT_API]
    shown = f"{PREFECT_API}={hide_secrets(address)}"
    try:
        urllib.request.urlopen(f"{address}/health", timeout=10).close()
    except urllib.error.HTTPError as error:
        if error.code >= 500:
            raise ServerError(f"{shown}: HTTP {error.code}") from None
    except ValueError:
        raise ParamsError(f"{shown}: this is not an address. Write http://HOST:PORT/api.") from None
    except (OSError, HTTPException) as error:
        raise ServerError(
            f"{shown}: {getattr(error, 'reason', error)}. Start `python -m pipelines.servers`, or name your team's "
            f"server in {PREFECT_API}."
        ) from None


def repository_of(folder: Path, *, local: bool) -> str:
    """Return the address that workers clone.

    Args:
        folder: Folder of the checkout.
        local: Whether all workers are on this machine: if so, they clone the checkout, and commits need no push.
    """
    if not local:
        with suppress(DataError):
            return git(folder, "config", "remote.origin.url")
    return str(folder.resolve())


def share_cache_of(folder: Path) -> None:
    """Let the workers of this machine share the cache of a checkout that has no DVC remote."""
    cache = folder / ".dvc" / "cache"
    if os.environ.get(CACHE_VARIABLE) or not cache.parent.is_dir():
        return
    configs = (cache.parent / "config", cache.parent / "config.local")
    if not any("remote =" in path.read_text() for path in configs if path.exists()):
        os.environ[CACHE_VARIABLE] = str(cache.resolve())
