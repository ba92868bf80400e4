"""The address of the tracking store, and the part of it that may be shown: only `StoreAddress` holds its password."""

import os
import re
import socket
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from ocrnet.errors import ParamsError
from pipelines._command.secrets import HIDDEN, hide_secrets, secrets_of
from pipelines._servers.access import credentials_for, read_access

STATE = Path(".state")
DEFAULT_URI = "sqlite:///mlflow.db"
PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
SECRETS = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")


@dataclass(frozen=True)
class StoreAddress:
    """A tracking server or store.

    Args:
        uri: Address for mlflow; that of a database may hold a password.
        shown: Same address without secrets, for people, files and the ledger.
        secrets: Strings to remove from every text.
    """

    uri: str = field(repr=False)
    shown: str
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def is_http(self) -> bool:
        """Whether the address is that of a tracking server, not of a database."""
        return self.uri.startswith(("http://", "https://"))

    @property
    def sqlite_file(self) -> Path | None:
        """File of a local store, or None."""
        found = re.fullmatch(r"sqlite(?:\+\w+)?:///([^?]+)(?:\?.*)?", self.uri)
        return Path(found[1]) if found else None

    def redact(self, text: str) -> str:
        """Return `text` without this target's secrets, in one line."""
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        return " ".join(hide_secrets(text).split())

    def refusal(self, timeout_s: float = 4.0) -> str | None:
        """Return the reason why nothing can be sent now, or None; takes a few milliseconds where a server answers.

        A server that accepts connections but does not answer counts as unreachable.
        """
        parts = urlsplit(self.uri)
        if not parts.hostname:
            return None
        port = parts.port or PORTS.get(parts.scheme.split("+")[0], 0)
        try:
            if self.is_http:
                status = _health(self.uri, timeout_s)
                return f"HTTP {status}" if status >= 500 else None
            socket.create_connection((parts.hostname, port), timeout=timeout_s).close()
        except TimeoutError:
            return f"no answer within {timeout_s:.0f} s"
        except (OSError, HTTPException) as error:
            return self.redact(getattr(error, "strerror", None) or str(error))
        return None


def _health(uri: str, timeout_s: float) -> int:
    """Return the status of `/health`, which needs no password; any status below 500 is a sign of life."""
    parts = urlsplit(uri)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
    if parts.scheme == "https":
        import ssl

        # No secret is sent here; mlflow itself checks the certificate.
        context = ssl._create_unverified_context()
        connection = HTTPSConnection(
            parts.hostname or "", parts.port, timeout=timeout_s, context=context
        )
    with closing(connection):
        connection.request("GET", f"{parts.path}/health")
        return connection.getresponse().status


def find_address(environment: Mapping[str, str] = os.environ) -> StoreAddress:
    """Return the target in `MLFLOW_TRACKING_URI`, by default the local file of the repository.

    Raises:
        ParamsError: the value is not an address.
    """
    raw = environment.get("MLFLOW_TRACKING_URI", "").strip() or DEFAULT_URI
    try:
        parts = urlsplit(raw)
        _ = parts.port
    except ValueError as error:
        raise ParamsError(
            f"MLFLOW_TRACKING_URI: {hide_secrets(raw)}: {error}. Give the address of a server, such as "
            "http://127.0.0.1:5000, or of a database."
        ) from None
    secrets = {environment.get(name, "") for name in SECRETS} | secrets_of(raw)
    secrets.add(credentials(environment).get("MLFLOW_TRACKING_PASSWORD", ""))
    if parts.password:
        secrets |= {parts.password, unquote(parts.password)}
    uri = raw
    if parts.scheme in ("http", "https"):  # user and password travel by environment (`credentials`)
        uri = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])).rstrip("/")
    shown = hide_secrets(uri)
    return StoreAddress(uri, shown, tuple(sorted(secrets - {""}, key=len, reverse=True)))


def credentials(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables that give mlflow the user and password of an address.

    They are those in the address, or those of this checkout's own server.
    """
    address = environment.get("MLFLOW_TRACKING_URI", "").strip()
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https"):
        return {}
    if not parts.username:
        return credentials_for("MLFLOW_TRACKING_URI", address, read_access())
    return {
        "MLFLOW_TRACKING_USERNAME": unquote(parts.username),
        "MLFLOW_TRACKING_PASSWORD": unquote(parts.password or ""),
    }
