"""End a server when the process that started it ends: `python -m pipelines._servers.end_with_parent COMMAND`.

The process that starts it holds a pipe open as its standard input. When that process ends, the system closes the pipe,
and this module ends its own process group: the server and all processes that the server started.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

import psutil  # type: ignore[import-untyped, unused-ignore]

GRACE_S = 10.0  # from SIGTERM to SIGKILL
POLL_S = 0.1


def main(argv: Sequence[str]) -> None:
    """Run a command until it or the starting process ends; then end all processes that the command started."""
    gone = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: gone.set())
    threading.Thread(target=_watch, args=(gone,), daemon=True).start()
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    while process.poll() is None and not gone.is_set():
        time.sleep(POLL_S)
    _end_group()


def _watch(gone: threading.Event) -> None:
    while os.read(0, 1):
        pass
    gone.set()


def _end_group() -> None:
    """End the group with this process: processes that the command left behind may have another parent by now."""
    started = psutil.Process().children(recursive=True)
    os.killpg(0, signal.SIGTERM)  # this process handles it
    psutil.wait_procs(started, timeout=GRACE_S)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    if os.getpgrp() != os.getpid():  # started by hand: other processes of the group must not end
        os.setpgid(0, 0)
    main(sys.argv[1:])
