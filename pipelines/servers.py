"""Run a Prefect and an MLflow server on this machine until Ctrl-C: `python -m pipelines.servers`.

Prefect keeps its database in `.state/prefect`, MLflow in `mlflow.db` and `mlartifacts/`, as runs without a server do.
Both listen only on this machine, refuse requests from pages of other origins, and ask for a password, which commands in
this checkout read from `.state/prefect/servers.env`. A team runs both on PostgreSQL: see `deploy/`.
"""

import argparse
import fcntl
import os
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ocrnet.errors import ParamsError, ServerError
from pipelines._command.arguments import Parser
from pipelines._command.exit_codes import command
from pipelines._mlflow.address import StoreAddress
from pipelines._mlflow.local_artifacts import check_store
from pipelines._servers.access import (
    FILE,
    FOLDER,
    HOST,
    MLFLOW_PASSWORD,
    MLFLOW_PORT,
    MLFLOW_USER,
    PREFECT_PASSWORD,
    PREFECT_PORT,
    allowed_origins,
    read_access,
    write_access,
)
from pipelines._servers.ports import holder_of
from pipelines._servers.supervisor import Server, Supervisor, print_line
from pipelines._servers.terminal import handle_stop

LOCK = FOLDER / "servers.lock"
LOG = FOLDER / "servers.log"
USERS_CONFIG = FOLDER / "mlflow_users.ini"
USERS_DATABASE = FOLDER / "mlflow_users.db"
USERS = f"""\
; Written by `python -m pipelines.servers`. The password of the only user comes from MLFLOW_AUTH_ADMIN_PASSWORD.
[mlflow]
default_permission = READ
grant_default_workspace_access = true
database_uri = sqlite:///{USERS_DATABASE.as_posix()}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 60
"""


def _parser() -> argparse.ArgumentParser:
    words = (__doc__ or "").partition("\n")[0]
    parser = Parser(prog="python -m pipelines.servers", description=words)
    add = parser.add_argument
    add(
        "--prefect-port",
        type=int,
        default=PREFECT_PORT,
        metavar="N",
        help="Port of the Prefect server (default: 4200)",
    )
    add(
        "--mlflow-port", type=int, default=MLFLOW_PORT, metavar="N",
        help="Port of the MLflow server (default: 5000, which macOS uses for AirPlay)",
    )  # fmt: skip
    add("--only", choices=("prefect", "mlflow"), help="Run only this server (default: both)")
    return parser


def servers_of(given: argparse.Namespace) -> list[Server]:
    """Return the servers that a command line asks for.

    Raises:
        ParamsError: A port is not valid.
    """
    ports = {"--prefect-port": given.prefect_port, "--mlflow-port": given.mlflow_port}
    for option, port in ports.items():
        if not 1 <= port <= 65535:
            raise ParamsError(f"{option}: found {port}. Give a port from 1 to 65535.")
    if given.prefect_port == given.mlflow_port:
        raise ParamsError(
            f"--prefect-port, --mlflow-port: found {given.mlflow_port} for both. Give two different ports."
        )
    prefect = [sys.executable, "-m", "pipelines.flows.server", str(given.prefect_port)]
    mlflow = [
        sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(given.mlflow_port), "--workers", "1",
        "--app-name", "basic-auth",
        "--backend-store-uri", "sqlite:///mlflow.db", "--artifacts-destination", "./mlartifacts",
    ]  # fmt: skip
    both = [
        Server("Prefect", prefect, given.prefect_port, "/api/health", "--prefect-port"),
        Server("MLflow", mlflow, given.mlflow_port, "/health", "--mlflow-port"),
    ]
    return [one for one in both if given.only in (None, one.name.lower())]


def check_ports(servers: Sequence[Server]) -> None:
    """Check that the ports of some servers are free.

    Raises:
        ServerError: A port is in use.
    """
    lines = [
        f"port {one.port}: {one.name} needs it, but {holder} uses it. Stop that process, or choose another port: "
        f"{one.option} N"
        for one in servers
        if (holder := holder_of(one.port)) is not None
    ]
    if lines:
        raise ServerError("\n".join(lines))


def environment(prefect_port: int, access: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of both servers: with passwords, without telemetry and without job runners.

    Args:
        prefect_port: Port of the Prefect server.
        access: Addresses and passwords, from `write_access`.
    """
    code = str(Path(__file__).parents[1])
    paths = [code, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {
        **os.environ,
        **access,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "PREFECT_HOME": str(FOLDER.resolve()),
        "PREFECT_SERVER_API_AUTH_STRING": access[PREFECT_PASSWORD],
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(allowed_origins(prefect_port)),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "MLFLOW_AUTH_CONFIG_PATH": str(USERS_CONFIG.resolve()),
        "MLFLOW_AUTH_ADMIN_USERNAME": access[MLFLOW_USER],
        "MLFLOW_AUTH_ADMIN_PASSWORD": access[MLFLOW_PASSWORD],
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_urlsafe(24),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the lock for the servers of this checkout: two Prefect servers must not share a database.

    Raises:
        ServerError: Another process holds the lock.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    with LOCK.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise ServerError(
                f"process {holder} already runs the servers of this checkout. Stop it first."
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _prepare(given: argparse.Namespace) -> dict[str, str]:
    """Write passwords and settings and return the variables of the servers."""
    if MLFLOW_PASSWORD not in read_access():
        for path in FOLDER.glob(
            f"{USERS_DATABASE.name}*"
        ):  # its users have passwords that are no longer known
            path.unlink()
    access = write_access(
        None if given.only == "mlflow" else given.prefect_port,
        None if given.only == "prefect" else given.mlflow_port,
    )
    USERS_CONFIG.write_text(USERS)
    return environment(given.prefect_port, access)


@command("servers")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the servers and return the exit code."""
    try:
        given = _parser().parse_args(argv)
        servers = servers_of(given)
        check_ports(servers)
        check_store(StoreAddress("sqlite:///mlflow.db", "mlflow.db"))
        with _alone():
            handle_stop(_stop)
            with Supervisor(_prepare(given), LOG) as supervisor:
                supervisor.start(servers)
                for server in servers:
                    print_line(f"{server.name}: http://{HOST}:{server.port}")
                print_line(
                    f"users and passwords, also for the browser: cat {FILE}   in a shell: source {FILE}"
                )
                print_line(f"log: {LOG}. Ctrl-C stops {'both' if len(servers) > 1 else 'it'}.")
                supervisor.watch()
    except KeyboardInterrupt:
        return 0
    return 0


def _stop(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
