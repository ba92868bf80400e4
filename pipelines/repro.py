"""Run `dvc repro` once nobody else does in this checkout: `python -m pipelines.repro [ARGUMENT ...]`.

DVC itself waits for a lock that is held for moments, and refuses while a stage runs.
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
        description="Run `dvc repro` once nobody else does in this checkout.",
    )
    found.add_argument(
        "arguments", nargs="*", metavar="ARGUMENT", help="Argument of `dvc repro`, such as a stage"
    )
    return found


def busy_processes() -> list[int]:
    """Return the ids of live processes whose stages run, from DVC's own records."""
    try:
        noted = json.loads(RWLOCK.read_text() or "{}")
    except (OSError, ValueError):  # missing, or only half written
        return []
    writers = noted.get("write", {}).values()
    readers = [one for held in noted.get("read", {}).values() for one in held]
    return sorted({one["pid"] for one in [*writers, *readers] if _runs_dvc(one["pid"])})


def _runs_dvc(pid: int) -> bool:
    """Tell whether a process is one of DVC: another process may have the id of one that died."""
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
    told = False
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
        if not told:
            print(
                f"repro: process {', '.join(holders) or 'unknown'} runs the pipeline here; this one waits for it "
                "(Ctrl-C ends the waiting)",
                flush=True,
            )
            told = True
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
