"""Servers that a test starts for itself: found or skipped, on free ports, and gone afterwards."""

import os
import shutil
import signal
import socket
import subprocess
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.limits import HANG_S

HOST = "127.0.0.1"
REQUIRED = "OCRNET_REQUIRE_SERVERS"
QUIET = {
    "DO_NOT_TRACK": "true",
    "DVC_NO_ANALYTICS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "OMP_NUM_THREADS": "1",
}


def find_command(name: str, package: str) -> str:
    """Return the path of a server's binary, or skip the test where this machine has none.

    Debian keeps those of PostgreSQL and sshd off the PATH of users.
    """
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    places = [os.environ.get("PATH", ""), "/usr/sbin", *map(str, versions)]
    found = shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        reason = f"{name}: not installed (Debian's package {package})"
        if os.environ.get(REQUIRED) == "1":
            pytest.fail(f"{reason}, and {REQUIRED}=1")
        pytest.skip(reason)
    return found


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str], log: Path, *, env: Mapping[str, str], user: str | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a server in a process group of its own, which is gone afterwards whatever happened."""
    with log.open("ab") as file:
        process = subprocess.Popen(
            command, env=dict(env), stdin=subprocess.DEVNULL, stdout=file, stderr=file, cwd=log.parent,
            start_new_session=True, user=user, extra_groups=None if user is None else [],
        )  # fmt: skip
    try:
        yield process
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
                process.wait(timeout=15)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue


def wait_for(ready: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until a server answers; fail with the end of its log where it ended or takes too long."""
    end = time.monotonic() + HANG_S
    while not ready():
        told = log.read_text(errors="replace")[-3000:]
        assert process.poll() is None, f"{log.name} ended: {told}"
        assert time.monotonic() < end, f"{log.name}: no answer: {told}"
        time.sleep(0.2)


def status(address: str, *, user: str = "", **headers: str) -> int:
    """Return the HTTP status that an address answers with; 0 where nothing answers.

    Args:
        address: to GET.
        user: `name:password`, or nothing.
        headers: more of them.
    """
    return answer(Request(address, headers=headers), user=user)[0]


def answer(request: Request, *, user: str = "") -> tuple[int, Mapping[str, str]]:
    """Return the HTTP status and the headers of an answer; 0 and none where nothing answers.

    Args:
        request: what is asked.
        user: `name:password`, or nothing.
    """
    if user:
        request.add_header("Authorization", f"Basic {b64encode(user.encode()).decode()}")
    try:
        with urlopen(request, timeout=20) as found:
            return int(found.status), {key.lower(): text for key, text in found.headers.items()}
    except HTTPError as error:
        return error.code, {key.lower(): text for key, text in error.headers.items()}
    except (OSError, HTTPException):
        return 0, {}
