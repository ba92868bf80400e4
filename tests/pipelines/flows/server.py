"""A real Prefect server, and what its page shows and does."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.limits import HANG_S

from ..local_servers import QUIET, free_port

LOOK_S = 1.5  # each look costs the server some of the cores that the test waits for
FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
Found = TypeVar("Found")


def wait_for(look: Callable[[], Found | None], what: str, limit_s: float = HANG_S) -> Found:
    """Look again and again until something is found, and return it."""
    ends = time.monotonic() + limit_s
    while time.monotonic() < ends:
        found = look()
        if found is not None and found is not False and found != []:
            return found
        time.sleep(LOOK_S)
    raise AssertionError(f"not within {limit_s:g} s: {what}")


def processes(token: str, *, of: str = "cmdline") -> list[int]:
    """Return the processes that carry a token in their command line or their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and token.encode() in (entry / of).read_bytes():
                found.append(int(entry.name))
    return found


class Server:
    """A Prefect server on a free port.

    Args:
        root: its folder.
        database: its address; by default a file in the folder.
    """

    def __init__(self, root: Path, database: str = "") -> None:
        self._root = root
        self._port = free_port()
        self._database = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": database} if database else {}
        self.url = f"http://127.0.0.1:{self._port}/api"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What it printed."""
        return (self._root / "server.log").read_text(errors="replace")

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._root.mkdir(parents=True, exist_ok=True)
        environment = {
            **os.environ, "PREFECT_HOME": str(self._root), "PREFECT_API_URL": self.url, **QUIET, **self._database,
        }  # fmt: skip
        command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(self._port)]
        with (self._root / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )  # fmt: skip
        wait_for(self._answers, f"the server answers; its log: {self._root}/server.log", HANG_S)

    def stop(self) -> None:
        """End it, at once."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "the server ended"
        try:
            return httpx.get(f"{self.url}/health", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False


class Api:
    """What the page shows and does, asked of the server by plain requests: not by the code under test.

    Args:
        url: of the server.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def start(self, deployment: str, **parameters: Any) -> str:
        """Start a run of a deployment and return its id."""
        found = self._get(f"/deployments/name/{deployment}")
        key = uuid.uuid4().hex  # asked again, the server makes no second run
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}, "idempotency_key": key}
        return str(self._post(f"/deployments/{found['id']}/create_flow_run", body)["id"])

    def parameters(self, run: str) -> dict[str, Any]:
        """Return what a run was started with."""
        return dict(self._get(f"/flow_runs/{run}")["parameters"])

    def state(self, run: str) -> dict[str, Any]:
        """Return the state of a run."""
        return dict(self._get(f"/flow_runs/{run}")["state"])

    def ended(self, run: str, limit_s: float = HANG_S) -> dict[str, Any]:
        """Wait until a run has ended and return its state."""

        def look() -> dict[str, Any] | None:
            state = self.state(run)
            return state if state["type"] in FINAL else None

        return wait_for(look, f"run {run} ends", limit_s)

    def recent(self, limit: int = 8) -> list[dict[str, Any]]:
        """Return the runs that started last, the newest first."""
        wanted = {"sort": "EXPECTED_START_TIME_DESC", "limit": limit}
        return list(self._post("/flow_runs/filter", wanted))

    def children(self, run: str) -> list[dict[str, Any]]:
        """Return the runs that a run started, in that order."""
        wanted = {"flow_runs": {"parent_flow_run_id": {"any_": [run]}}}
        return sorted(
            self._post("/flow_runs/filter", wanted), key=lambda child: str(child["created"])
        )

    def log(self, run: str) -> list[dict[str, Any]]:
        """Return the lines of a run's log, each with its time."""
        wanted = {"logs": {"flow_run_id": {"any_": [run]}}, "sort": "TIMESTAMP_ASC"}
        return list(self._post("/logs/filter", wanted))

    def artifacts(self, run: str) -> dict[str, Any]:
        """Return what a run left on its page, by key."""
        wanted = {"artifacts": {"flow_run_id": {"any_": [run]}}}
        return {
            str(item["key"] or item["type"]): item["data"]
            for item in self._post("/artifacts/filter", wanted)
        }

    def heartbeats(self, run: str) -> list[float]:
        """Return when the server was told that a run lives, in seconds of the clock."""
        wanted = {
            "event": {"name": ["prefect.flow-run.heartbeat"]},
            "resource": {"id": [f"prefect.flow-run.{run}"]},
        }
        found = self._post("/events/filter", {"filter": wanted, "limit": 50})["events"]
        return sorted(datetime.fromisoformat(event["occurred"]).timestamp() for event in found)

    def cancel(self, run: str) -> None:
        """Do what the button on the page does."""
        self._post(f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLING"}})

    def delete(self, run: str) -> None:
        """Do what `prefect flow-run delete` does."""
        httpx.delete(f"{self._url}/flow_runs/{run}", timeout=60).raise_for_status()

    def _get(self, path: str) -> Any:
        return self._ask("GET", path)

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._ask("POST", path, json=body)

    def _ask(self, method: str, path: str, **body: Any) -> Any:
        """Ask until the server has an answer: busy, it may have none for a moment."""

        def look() -> httpx.Response | None:
            with suppress(httpx.TransportError):
                found = httpx.request(method, self._url + path, timeout=60, **body)
                return None if found.status_code == 503 else found
            return None

        answer = wait_for(look, f"{path} is answered", HANG_S)
        return answer.raise_for_status().json()
