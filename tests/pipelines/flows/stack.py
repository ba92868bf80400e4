"""Machines with real workers on a real server, for the tests of what happens when things die."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from .server import Api, Server, processes
from .toy import DIARY, HOST, Toy

# As a shell does that starts a command by `&`: a worker must not depend on an interrupt that it inherited as ignored.
IGNORING = ("/bin/sh", "-c", "trap '' INT; exec \"$@\"", "sh")

# Names a machine among those of all tests that run at the same time; `HOST` is its name within one test.
MACHINE = "TEST_MACHINE"


@dataclass
class Host:
    """A machine with workers: its processes know its name, and its clones are its own.

    Args:
        name: of the machine.
        toy: whose stages it runs.
        url: of the server.
        started: the processes that were started on it.
    """

    name: str
    toy: Toy
    url: str
    started: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """What is this machine's alone."""
        return self.toy.root / "hosts" / self.name

    @property
    def log(self) -> str:
        """What its workers printed."""
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    def work(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start `pipelines.workers` with some arguments."""
        return self._start("pipelines.workers", "--name", self.name, *arguments)

    def slot(self, pool: str) -> "subprocess.Popen[bytes]":
        """Start one worker, as `pipelines.workers` does."""
        return self._start("pipelines.flows.slot", pool, f"{self.name}-{pool}", "1")

    def processes(self) -> list[int]:
        """Return all that runs on this machine."""
        return processes(f"{MACHINE}={self.folder}\0", of="environ")

    def lose(self) -> None:
        """End all that runs on this machine, leaving it no time to tell anyone."""
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for _ in range(3):  # what was being started meanwhile, too
                for found in self.processes():
                    with suppress(ProcessLookupError):
                        os.kill(found, number)
        for process in self.started:
            process.wait()

    def _start(self, module: str, *arguments: str) -> "subprocess.Popen[bytes]":
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = {
            **self.toy.environment, HOST: self.name, MACHINE: str(self.folder),
            DIARY: str(self.toy.root / "diary"), "PREFECT_API_URL": self.url,
            "PREFECT_HOME": str(self.folder / "prefect"), "OCRNET_CLONES": str(self.folder / "clones"),
            "PREFECT_WORKER_QUERY_SECONDS": "4", "PYTHONUNBUFFERED": "1",
        }  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments], cwd=self.folder, env=environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.started.append(process)
        return process


@dataclass
class Stack:
    """A server and the machines of one toy repository.

    Args:
        toy: the repository.
        server: the server.
    """

    toy: Toy
    server: Server
    _hosts: dict[str, Host] = field(default_factory=dict)

    @property
    def api(self) -> Api:
        """What the page shows and does."""
        return Api(self.server.url)

    def host(self, name: str) -> Host:
        """Return a machine by its name."""
        return self._hosts.setdefault(name, Host(name, self.toy, self.server.url))

    def host_of(self, process: int) -> str:
        """Return the machine on which a process runs; empty where it has ended."""
        return next((host.name for host in self._hosts.values() if process in host.processes()), "")

    def run(self, **parameters: Any) -> str:
        """Start a run of the pipeline and return its id."""
        return self.api.start("pipeline/main", repository=str(self.toy.origin), **parameters)

    def diary(self, stage: str, what: str = "start") -> list[dict[str, Any]]:
        """Return where, when and from which step a stage started, or ended."""
        path = self.toy.root / "diary" / stage
        if not path.exists():
            return []
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        return [line for line in lines if line["what"] == what]

    def hold(self, stage: str, *, step: int) -> None:
        """Let a stage wait after a step until it is released: a busy machine changes nothing then."""
        partial = self.toy.root / "diary" / f"{stage}.partial"
        partial.write_text(str(step))
        partial.replace(partial.with_suffix(".hold"))

    def release(self, stage: str) -> None:
        """Let a stage go on that was held."""
        (self.toy.root / "diary" / f"{stage}.hold").unlink()

    def story(self, lines: int = 40) -> str:
        """Return the last lines that the server, each machine and each run left, for a test that failed."""
        told = {"the server": self.server.log} | {
            name: one.log for name, one in self._hosts.items()
        }
        with suppress(httpx.HTTPError, AssertionError):
            for run in self.api.recent():
                name = f"run {run['name']} ({run['id']}, {run['state']['type']}: {run['state']['message']})"
                told[name] = "\n".join(str(line["message"]) for line in self.api.log(run["id"]))
        ends = {name: "\n".join(text.splitlines()[-lines:]) for name, text in told.items()}
        return "\n".join(f"-- {name}\n{end}" for name, end in ends.items())

    def command(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command as a user of this server does, in the checkout."""
        home = str(self.toy.root / "user")
        return self.toy.attempt(*command, PREFECT_API_URL=self.server.url, PREFECT_HOME=home)

    def deploy(self, pools: Sequence[str], limits: tuple[int, int]) -> None:
        """Make pools and deployments with limits of the automations that a test has time for."""
        script = (
            f"from pipelines.flows.server_setup import make_all; make_all({list(pools)!r}, {str(self.toy.origin)!r}, "
            f"revision='main', needs={{}}, limits={limits!r})"
        )
        done = self.command(sys.executable, "-c", script)
        assert done.returncode == 0, done.stderr


@contextmanager
def stack_of(toy: Toy, server: Server) -> Iterator[Stack]:
    """Give a toy repository machines on a server, and end all that runs on them afterwards."""
    (toy.root / "diary").mkdir(exist_ok=True)
    stack = Stack(toy, server)
    try:
        yield stack
    finally:
        for host in stack._hosts.values():
            host.lose()
