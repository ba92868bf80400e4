"""Run workers on this machine until a stop signal: `python -m pipelines.workers [--pool gpu ...]`.

A pool that requires GPUs gets a worker per GPU, or per group of GPUs; each worker sees only its own. The command
refuses a machine that does not meet the requirements of a pool. Ctrl-C or SIGTERM drains the workers: no new runs
start, and the running ones finish. A second signal ends them.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ocrnet.errors import ParamsError
from pipelines._command.arguments import Parser
from pipelines._command.exit_codes import command
from pipelines._servers.local import check_prefect, set_local_servers, share_cache_of
from pipelines._servers.slots import Slot, plan, usable_gpus
from pipelines._servers.terminal import Terminal, handle_stop

RESTART_S = 5.0
END_SIGNAL = signal.SIGUSR1  # it makes a slot end its runs at once


def _parser() -> argparse.ArgumentParser:
    words = (__doc__ or "").partition("\n")[0]
    parser = Parser(prog="python -m pipelines.workers", description=words)
    add = parser.add_argument
    add(
        "--pool",
        action="append",
        default=[],
        help="Pool to serve (default: every pool whose requirements this machine meets)",
    )
    add("--gpus", default="all", help="Indices of the GPUs to use, such as 0,2 (default: all)")
    add(
        "--group",
        type=int,
        default=1,
        metavar="N",
        help="Number of GPUs per worker, for stages with train.processes > 1",
    )
    add(
        "--slots", type=int, default=1, metavar="N", help="Number of workers of a pool without GPUs"
    )
    add(
        "--name",
        default=socket.gethostname(),
        help="Name of this machine, in the names of its workers",
    )
    return parser


class Workers:
    """The processes of the slots; one that ends by itself is started again.

    Args:
        slots: Workers to start.
    """

    def __init__(self, slots: Sequence[Slot]) -> None:
        self._slots = slots
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._signals = 0
        self._terminal = Terminal()

    def run(self) -> int:
        """Run until a stop signal arrives and all workers have ended; return the exit code."""
        handle_stop(self._stop)
        started: dict[str, float] = {}
        while True:
            for slot in self._slots:
                process = self._running.get(slot.name)
                if process is not None and process.poll() is None:
                    continue
                if (
                    self._signals
                    or time.monotonic() - started.get(slot.name, -RESTART_S) < RESTART_S
                ):
                    continue
                if process is not None:
                    print(
                        f"workers: {slot.name} ended with exit code {process.returncode}; starting it again",
                        flush=True,
                    )
                started[slot.name] = time.monotonic()
                self._running[slot.name] = start(slot)
            if self._signals and all(
                process.poll() is not None for process in self._running.values()
            ):
                print("workers: stopped", flush=True)
                return 0
            time.sleep(0.2)

    def _stop(self, number: int, frame: object) -> None:
        self._terminal.leave_if_closed()
        self._signals += 1
        # Two SIGTERM that arrive together count as one, so the second stop is another signal.
        told = signal.SIGTERM if self._signals == 1 else END_SIGNAL
        for process in self._running.values():
            if process.poll() is None:
                process.send_signal(told)
        line = (
            "taking no new runs; waiting for the running ones (repeat the signal to end them)"
            if self._signals == 1
            else "ending the running runs"
        )
        print(f"workers: {line}", flush=True)


def start(slot: Slot) -> "subprocess.Popen[bytes]":
    """Start a worker in its own session, so that a Ctrl-C for this command does not reach the run."""
    code = str(Path(__file__).parents[1])
    paths = [code, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    environment = {
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        **os.environ,
        "CUDA_VISIBLE_DEVICES": ",".join(map(str, slot.gpus)),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", "pipelines.flows.slot", slot.pool, slot.name, str(slot.limit)]
    return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)  # fmt: skip


@command("workers")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    set_local_servers()
    share_cache_of(Path.cwd())
    given = _parser().parse_args(argv)
    for option, count in (("--group", given.group), ("--slots", given.slots)):
        if count < 1:
            raise ParamsError(f"{option}: found {count}. Give 1 or more.")
    memory = usable_gpus(given.gpus)
    check_prefect()
    from pipelines.flows.pools import asking, check_password, read_needs

    check_password()
    with asking():
        needs = read_needs()
    slots = plan(needs, memory, given)
    if not slots:
        raise ParamsError(
            "the server has no pool of this repository. Run `python -m pipelines.deploy`."
        )
    for slot in slots:
        gpus = f", GPU {', '.join(map(str, slot.gpus))}" if slot.gpus else ""
        print(f"workers: {slot.name}: pool {slot.pool}{gpus}", flush=True)
    return Workers(slots).run()


if __name__ == "__main__":
    sys.exit(main())
