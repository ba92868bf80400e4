"""Run `dvc repro`, after any other run in this checkout has ended: `python -m pipelines.repro [ARGUMENT ...]`.

DVC itself waits only for a lock that another process holds briefly, and refuses to start while a stage runs.
"""

import argparse
import fcntl
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil  # type: ignore[import-untyped, unused-ignore]

from pipelines._command.arguments import Parser

LOCK = Path(".state/repro.lock")
RWLOCK = Path(".dvc/tmp/rwlock")
POLL_S = 1.0


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments: those of `dvc repro`."""
    found = Parser(
        prog="python -m pipelines.repro",
        description="Run `dvc repro`, after any other run in this checkout has ended.",
    )
    found.add_argument(
        "arguments", nargs="*", metavar="ARGUMENT", help="Argument of `dvc repro`, such as a stage"
    )
    return found


def busy_processes() -> list[int]:
    """Return the ids of live processes that run stages, from DVC's own records."""
    try:
        noted = json.loads(RWLOCK.read_text() or "{}")
    except (OSError, ValueError):  # missing, or only partly written
        return []
    writers = noted.get("write", {}).values()
    readers = [one for held in noted.get("read", {}).values() for one in held]
    return sorted({one["pid"] for one in [*writers, *readers] if _runs_dvc(one["pid"])})


def _runs_dvc(pid: int) -> bool:
    """Tell whether a process belongs to DVC: another process may have the id of one that died."""
    try:
        return any("dvc" in word for word in psutil.Process(pid).cmdline())
    except psutil.Error:
        return False


def main(argv: Sequence[str]) -> None:
    """Wait until no other process runs stages here, and become `dvc repro`."""
    if {"-h", "--help"} & set(argv):
        parser().print_help()
        return
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    reported = False
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holders = os.pread(file, 20, 0).decode().split()
        else:
            holders = [str(pid) for pid in busy_processes()]
            if not holders:
                break
            fcntl.flock(file, fcntl.LOCK_UN)
        if not reported:
            print(
                f"repro: process {', '.join(holders) or 'unknown'} runs the pipeline here; waiting for it to end "
                "(Ctrl-C stops waiting)",
                flush=True,
            )
            reported = True
        time.sleep(POLL_S)
    os.ftruncate(file, 0)
    os.pwrite(file, str(os.getpid()).encode(), 0)
    os.set_inheritable(file, True)  # DVC keeps it open, and its stages do not get it
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", *argv]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
