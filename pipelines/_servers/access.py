"""Keep addresses and passwords of this machine's servers in a file that only its owner can read.

`pipelines.servers` writes the file in the syntax of a shell, so that a person can load it by `source`. No password
is on a command line or in a log.
"""

import getpass
import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from ocrnet.data.files import whole_file

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")  # host names that a browser may use
PREFECT_PORT, MLFLOW_PORT = 4200, 5000
PREFECT_API = "PREFECT_API_URL"
PREFECT_PASSWORD = "PREFECT_API_AUTH_STRING"
MLFLOW = "MLFLOW_TRACKING_URI"
MLFLOW_USER = "MLFLOW_TRACKING_USERNAME"
MLFLOW_PASSWORD = "MLFLOW_TRACKING_PASSWORD"
FOLDER = Path(".state/prefect")
FILE = FOLDER / "servers.env"
# The credentials that are sent to each address, and only to it.
CREDENTIALS = {PREFECT_API: (PREFECT_PASSWORD,), MLFLOW: (MLFLOW_USER, MLFLOW_PASSWORD)}
_HEAD = """\
# The servers of this checkout, written by `python -m pipelines.servers`.
# Anyone who can read this file can run code as you.
# In a shell: source .state/prefect/servers.env
"""


def read_access(folder: Path = Path()) -> dict[str, str]:
    """Return the addresses and passwords of the servers of a checkout; empty if it never ran any.

    Args:
        folder: Root folder of the checkout.
    """
    try:
        lines = (folder / FILE).read_text().splitlines()
    except OSError:  # no such file, or one of another user
        return {}
    pairs = (line.removeprefix("export ").partition("=") for line in lines if "=" in line)
    return {name: value for name, _, value in pairs if not name.startswith("#")}


def write_access(prefect_port: int | None, mlflow_port: int | None) -> dict[str, str]:
    """Write the file for servers on two ports and return its content.

    Existing passwords and the address of a server that is not started do not change.

    Args:
        prefect_port: Port of the Prefect server; None if it is not started.
        mlflow_port: Port of the MLflow server; None if it is not started.
    """
    known = read_access()
    prefect = f"http://{HOST}:{prefect_port or PREFECT_PORT}/api"
    mlflow = f"http://{HOST}:{mlflow_port or MLFLOW_PORT}"
    found = {
        PREFECT_API: prefect if prefect_port else known.get(PREFECT_API, prefect),
        PREFECT_PASSWORD: known.get(PREFECT_PASSWORD) or f"ocrnet:{secrets.token_urlsafe(24)}",
        MLFLOW: mlflow if mlflow_port else known.get(MLFLOW, mlflow),
        MLFLOW_USER: known.get(MLFLOW_USER) or _user(),
        MLFLOW_PASSWORD: known.get(MLFLOW_PASSWORD) or secrets.token_urlsafe(24),
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    FOLDER.chmod(0o700)  # it also holds Prefect's database
    lines = [f"export {name}={value}\n" for name, value in found.items()]
    with whole_file(FILE, mode=0o600) as partial:
        partial.write_text(_HEAD + "".join(lines))
    return found


def credentials_for(variable: str, address: str, access: Mapping[str, str]) -> dict[str, str]:
    """Return the credentials of a checkout for an address; nothing if the address is not one of its servers.

    Args:
        variable: Name of the variable that holds the address.
        address: Value of the variable.
        access: Addresses and passwords, from `read_access`.
    """
    known = access.get(variable)
    if known is None or _place(known) != _place(address):
        return {}
    return {name: access[name] for name in CREDENTIALS[variable] if name in access}


def allowed_origins(port: int) -> list[str]:
    """Return the origins under which a browser opens a server of this machine."""
    return [f"http://{name}:{port}" for name in NAMES]


def is_local(address: str) -> bool:
    """Tell whether an address belongs to this machine.

    Examples:
        >>> is_local("http://127.0.0.1:4200/api"), is_local("http://localhost/api"), is_local("https://a.example/api")
        (True, True, False)
    """
    return (urlsplit(address).hostname or "").startswith("127.") or _place(address)[0] == HOST


def _place(address: str) -> tuple[str, int | None]:
    """Return host and port of an address; all names of this machine give the same host."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    try:
        port = parts.port
    except ValueError:
        return host, None
    if host in ("localhost", "::1", "0.0.0.0") or host.endswith(".localhost"):
        host = HOST
    return host, port or {"http": 80, "https": 443}.get(parts.scheme)


def _user() -> str:
    """Return the name under which MLflow's ledger records the person who runs the servers."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # a container whose user has no name
        name = ""
    return name if name.replace("-", "").replace("_", "").replace(".", "").isalnum() else "ocrnet"
