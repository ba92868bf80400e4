"""Start, watch and end servers together; restart one that dies, without ending the others."""

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

from ocrnet.errors import ServerError
from pipelines._servers.end_with_parent import GRACE_S
from pipelines._servers.ports import HOST, holder_of, is_served_by

READY_S = 300.0  # the first start makes the databases; a busy machine takes minutes
POLL_S = 0.5
RESTARTS = 5  # within the time below; a server that dies more often has a permanent fault
RESTARTS_WITHIN_S = 600.0
PORT_S = 15.0  # time for a dead server's port to become free


@dataclass
class Server:
    """A server of this machine.

    Args:
        name: Name for people.
        command: Command that starts the server.
        port: Port on which the server listens.
        health: Path that answers once the server is ready.
        option: Option of the command that sets another port.
    """

    name: str
    command: Sequence[str]
    port: int
    health: str
    option: str
    process: "subprocess.Popen[bytes] | None" = None
    deaths: "deque[float]" = field(default_factory=deque)

    @property
    def ended(self) -> bool:
        """Whether the server was started and has ended."""
        return self.process is not None and self.process.poll() is not None


class Supervisor:
    """Runs servers, each in a process that ends it when this process has ended.

    Args:
        environment: Environment variables of the servers.
        log: File to which the servers write.
    """

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self._environment = environment
        self._log = log
        self._file: IO[bytes] = log.open("ab")
        self._servers: list[Server] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End all servers."""
        running = [one.process for one in self._servers if one.process is not None]
        for process in running:
            _let_go(process)
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_S + 5)
        self._file.close()

    def start(self, servers: Sequence[Server]) -> None:
        """Start servers and wait until all answer.

        Raises:
            ServerError: A server does not answer.
        """
        self._servers = list(servers)
        for server in servers:
            self._start(server)
        for server in servers:
            if not _wait_ready(server):
                raise ServerError(f"{server.name} did not start. See its log: {self._log}")

    def watch(self) -> None:
        """Restart servers that die, as long as one server runs.

        Raises:
            ServerError: All servers have ended.
        """
        kept = list(self._servers)
        while kept:
            time.sleep(POLL_S)
            for server in kept:
                if server.ended and not self._restart(server):
                    kept.remove(server)
                    break
        raise ServerError(f"all servers have ended. See their log: {self._log}")

    def _restart(self, server: Server) -> bool:
        """Restart a server and tell whether it was restarted."""
        now = time.monotonic()
        server.deaths.append(now)
        while server.deaths[0] < now - RESTARTS_WITHIN_S:
            server.deaths.popleft()
        if len(server.deaths) > RESTARTS:
            print_line(
                f"servers: {server.name} died {len(server.deaths)} times and is not started again. Its log: {self._log}"
            )
            return False
        ends = now + PORT_S
        while (holder := holder_of(server.port)) is not None:
            if time.monotonic() > ends:
                print_line(
                    f"servers: {server.name} died, and {holder} uses its port {server.port}: it is not started again"
                )
                return False
            time.sleep(POLL_S)
        print_line(f"servers: {server.name} died and is started again. Its log: {self._log}")
        self._start(server)
        return True

    def _start(self, server: Server) -> None:
        server.process = subprocess.Popen(
            [sys.executable, "-m", "pipelines._servers.end_with_parent", *server.command], env=dict(self._environment),
            stdin=subprocess.PIPE, stdout=self._file, stderr=self._file, start_new_session=True,
        )  # fmt: skip


def print_line(line: str) -> None:
    """Print a line if the terminal is still open."""
    with suppress(OSError):
        print(line, flush=True)


def _let_go(process: "subprocess.Popen[bytes]") -> None:
    """Close the pipe, which makes the child process end its server."""
    if process.stdin is not None:
        process.stdin.close()


def _wait_ready(server: Server) -> bool:
    """Wait until a server answers; an answer of another process on its port does not count."""
    ends = time.monotonic() + READY_S
    while time.monotonic() < ends and not server.ended:
        if server.process is not None and is_served_by(server.process.pid, server.port):
            with suppress(OSError):
                urllib.request.urlopen(
                    f"http://{HOST}:{server.port}{server.health}", timeout=5
                ).close()
                return True
        time.sleep(POLL_S)
    return False
