"""The stack of a team without containers: PostgreSQL, both servers with passwords on, S3 and SSH, on free local ports.

Commands and variables of the two servers are those of `deploy/compose.yaml`; only addresses and folders are replaced.
"""

import os
import pwd
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2  # type: ignore[import-untyped, unused-ignore]
from ruamel.yaml import YAML

from .local_servers import HOST, QUIET, find_command, free_port, running, status, wait_for

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


@dataclass(frozen=True)
class Postgres:
    """A cluster with the databases of both servers."""

    port: int
    folder: Path
    passwords: Mapping[str, str] = field(repr=False)

    def dump(self, database: str) -> str:
        """Return all that a database holds, as SQL."""
        address = f"postgresql://{database}@{HOST}:{self.port}/{database}"
        return subprocess.run(
            [find_command("pg_dump", "postgresql"), address],
            env={**os.environ, "PGPASSWORD": self.passwords[database]},
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip


@contextmanager
def run_postgres(logs: Path) -> Iterator[Postgres]:
    """Make a cluster, run it, and make its databases with the script of `deploy/`."""
    initdb, server = (find_command(name, "postgresql") for name in ("initdb", "postgres"))
    psql = find_command("psql", "postgresql-client")
    user = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="ocrnet-pg-"))  # pytest's own folder is closed to others
    passwords = {name: secrets.token_urlsafe(16) for name in ("postgres", "mlflow", "prefect")}
    try:
        (folder / "password").write_text(passwords["postgres"])
        if user is not None:
            for path in (folder, folder / "password"):
                shutil.chown(path, user)
        options = ["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync"]
        subprocess.run(
            [initdb, *options, "--locale=C", f"--pwfile={folder / 'password'}", f"--pgdata={folder / 'data'}"],
            check=True, capture_output=True, user=user, extra_groups=None if user is None else [], cwd=folder,
        )  # fmt: skip
        port = free_port()
        settings = {"listen_addresses": HOST, "unix_socket_directories": "", "fsync": "off"}
        command = [server, "-D", str(folder / "data"), "-p", str(port)]
        command += [part for name, text in settings.items() for part in ("-c", f"{name}={text}")]
        log = logs / "postgres.log"
        with running(command, log, env=os.environ, user=user) as process:
            wait_for(lambda: _connects(port, passwords["postgres"]), process, log)
            subprocess.run(
                ["bash", str(DEPLOY / "postgres/databases.sh")], check=True, capture_output=True,
                env={
                    **os.environ, "PATH": f"{Path(psql).parent}{os.pathsep}{os.environ['PATH']}",
                    "PGHOST": HOST, "PGPORT": str(port), "PGPASSWORD": passwords["postgres"],
                    "MLFLOW_DATABASE_PASSWORD": passwords["mlflow"],
                    "PREFECT_DATABASE_PASSWORD": passwords["prefect"],
                },
            )  # fmt: skip
            yield Postgres(port, folder, passwords)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> str | None:
    """Return the user to run PostgreSQL as, which refuses to run as root; None: as ourselves."""
    if os.getuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _connects(port: int, password: str) -> bool:
    try:
        psycopg2.connect(host=HOST, port=port, user="postgres", password=password).close()
    except psycopg2.OperationalError:
        return False
    return True


@dataclass(frozen=True)
class TeamStack:
    """Both servers, ready, with passwords on.

    Args:
        postgres: behind both.
        mlflow: the address of MLflow, without user or password.
        prefect: the address of Prefect's API.
        logs: the folder of what the servers write.
        artifacts: the folder behind MLflow's artifact proxy.
        admin: `name:password` of MLflow's administrator.
        prefect_auth: `name:password` of Prefect.
    """

    postgres: Postgres
    mlflow: str
    prefect: str
    logs: Path
    artifacts: Path
    admin: str = field(repr=False)
    prefect_auth: str = field(repr=False)


@contextmanager
def run_team_stack(folder: Path) -> Iterator[TeamStack]:
    """Run PostgreSQL, MLflow and Prefect as `deploy/compose.yaml` has them."""
    logs, artifacts = folder / "logs", folder / "mlartifacts"
    for path in (logs, artifacts):
        path.mkdir(parents=True)
    if os.getuid() == 0:
        logs.chmod(0o755)
    ports = {"mlflow": free_port(), "prefect": free_port()}
    values = {
        "MLFLOW_ADMIN_PASSWORD": secrets.token_urlsafe(16),
        "MLFLOW_SECRET_KEY": secrets.token_urlsafe(16),
        "MLFLOW_ALLOWED_HOSTS": f"{HOST}:{ports['mlflow']}",
        "PREFECT_AUTH_STRING": f"team:{secrets.token_urlsafe(16)}",
    }
    with ExitStack() as stack:
        postgres = stack.enter_context(run_postgres(logs))
        for name in ("mlflow", "prefect"):
            values[f"{name.upper()}_DATABASE_PASSWORD"] = postgres.passwords[name]
        found = TeamStack(
            postgres, f"http://{HOST}:{ports['mlflow']}", f"http://{HOST}:{ports['prefect']}/api", logs,
            artifacts, f"admin:{values['MLFLOW_ADMIN_PASSWORD']}", values["PREFECT_AUTH_STRING"],
        )  # fmt: skip
        started = {}
        for name, port in ports.items():
            command, variables = service(name, values)
            local = _Local(folder, postgres.port, port)
            env = {**_clean_environment(), **{key: local(text) for key, text in variables.items()}}
            env["PREFECT_HOME"] = str(folder / "prefect")
            command = [sys.executable, "-m", *map(local, command)]
            log = logs / f"{name}.log"
            started[name] = stack.enter_context(running(command, log, env=env)), log
        wait_for(lambda: status(f"{found.mlflow}/health") == 200, *started["mlflow"])
        wait_for(lambda: status(f"{found.prefect}/health") in (200, 401), *started["prefect"])
        yield found


def service(name: str, values: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Return command and variables of a service of `deploy/compose.yaml`, its own variables filled in."""
    content: Any = YAML(typ="safe").load(DEPLOY / "compose.yaml")
    found = content["services"][name]

    def fill(text: str) -> str:
        return re.sub(r"\$\{(\w+)[^}]*\}", lambda match: values[match[1]], text)

    environment = {key: fill(str(text)) for key, text in found["environment"].items()}
    return [fill(str(part)) for part in found["command"]], environment


class _Local:
    """Puts addresses and folders of this machine in place of those inside the containers."""

    def __init__(self, folder: Path, postgres: int, port: int) -> None:
        ini = folder / "basic_auth.ini"
        self._pairs = {
            "@postgres:5432/": f"@{HOST}:{postgres}/",
            "--host=0.0.0.0": f"--host={HOST}",
            "--workers=2": "--workers=1",
            "=/mlartifacts": f"={folder / 'mlartifacts'}",
            "/etc/ocrnet/basic_auth.ini": str(ini),
        }
        self._whole = {"postgres": HOST, "5432": str(postgres)}
        self._port = f"--port={port}"
        ini.write_text(self("\n" + (DEPLOY / "mlflow/basic_auth.ini").read_text()))

    def __call__(self, text: str) -> str:
        if text.startswith("--port="):
            return self._port
        for old, new in self._pairs.items():
            text = text.replace(old, new)
        return self._whole.get(text, text)


def _clean_environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "PREFECT_", "PG"))}
    return {**kept, **QUIET, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"}
