"""Run a Prefect and an MLflow server on this machine until Ctrl-C: `python -m pipelines.servers`.

Prefect keeps its database in `.state/prefect`, MLflow in `mlflow.db` and `mlartifacts/`, where runs without a server
go, too. A team runs both on PostgreSQL with passwords: see `deploy/`.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pipelines._local import HOST, MLFLOW_PORT, PREFECT_PORT

READY_S = 180.0
STATE = Path(".state/prefect")


def commands(prefect_port: int, mlflow_port: int) -> dict[str, tuple[list[str], str]]:
    """Return the command of each server with the address that tells when it is ready."""
    prefect = [
        sys.executable,
        "-m",
        "prefect",
        "server",
        "start",
        "--host",
        HOST,
        "--port",
        str(prefect_port),
    ]
    mlflow = [
        sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(mlflow_port),
        "--backend-store-uri", "sqlite:///mlflow.db", "--artifacts-destination", "./mlartifacts", "--workers", "1",
    ]  # fmt: skip
    return {
        "Prefect": (prefect, f"http://{HOST}:{prefect_port}/api/health"),
        "MLflow": (mlflow, f"http://{HOST}:{mlflow_port}/health"),
    }


def environment(prefect_port: int) -> dict[str, str]:
    """Return the variables of both servers: nothing is sent home, no job runners are kept."""
    STATE.mkdir(parents=True, exist_ok=True)
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PREFECT_HOME": str(STATE.resolve()),
        "PREFECT_API_URL": f"http://{HOST}:{prefect_port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run both servers and return the exit code."""
    parser = argparse.ArgumentParser(
        "python -m pipelines.servers", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--prefect-port", type=int, default=PREFECT_PORT)
    parser.add_argument("--mlflow-port", type=int, default=MLFLOW_PORT)
    given = parser.parse_args(argv)
    wanted = commands(given.prefect_port, given.mlflow_port)
    log = STATE / "servers.log"
    environ = environment(given.prefect_port)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        with log.open("ab") as file:
            for name, (command, _) in wanted.items():
                started[name] = subprocess.Popen(
                    command, env=environ, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                    start_new_session=True,
                )  # fmt: skip
        for name, (_, address) in wanted.items():
            if not _wait_ready(started[name], address):
                print(f"servers: {name} did not start. Its log: {log}", file=sys.stderr)
                return 1
            print(f"{name}: http://{address.split('/')[2]}", flush=True)
        print(f"log: {log}. Ctrl-C stops both.", flush=True)
        while all(process.poll() is None for process in started.values()):
            time.sleep(0.5)
        ended = [name for name, process in started.items() if process.poll() is not None]
        print(f"servers: {', '.join(ended)} ended. Its log: {log}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        _end(list(started.values()))


def _stop(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _wait_ready(process: "subprocess.Popen[bytes]", address: str) -> bool:
    ends = time.monotonic() + READY_S
    while time.monotonic() < ends and process.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except urllib.error.HTTPError:
            return True  # it answers: a password is asked for
        except OSError:
            time.sleep(0.5)
            continue
        return True
    return False


def _end(processes: "list[subprocess.Popen[bytes]]") -> None:
    for process in processes:
        _signal(process, signal.SIGTERM)
    ends = time.monotonic() + 15
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.1, ends - time.monotonic()))
        _signal(process, signal.SIGKILL)


def _signal(process: "subprocess.Popen[bytes]", number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


if __name__ == "__main__":
    sys.exit(main())
