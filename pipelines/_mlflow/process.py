"""The process of an entry of the ledger, and whether it is known to be dead."""

import getpass
import os
import socket
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
START_FIELD = 19  # of /proc/PID/stat behind the name: when it started, in ticks since boot


def process_id(pid: int | None = None) -> str:
    """Return boot, PID namespace, PID and start of a process, by default this one; empty where there is no /proc.

    The text is unique over all machines and containers.
    """
    pid = os.getpid() if pid is None else pid
    try:
        boot = BOOT_ID.read_text().strip()
        namespace = os.readlink("/proc/self/ns/pid")
        start = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[START_FIELD]
    except (OSError, IndexError):
        return ""
    return f"{boot} {namespace} {pid} {start}"


def is_dead(process: str) -> bool:
    """Tell whether a process is certainly dead: it ran here since this boot, and no longer does.

    Without /proc, as on macOS, the answer is always False.
    """
    own, parts = process_id().split(), process.split()
    if not own or len(own) != len(parts) or own[:2] != parts[:2]:
        return False
    return process_id(int(parts[2])) != process


def who() -> str:
    """Return the user, by the name in MLflow where one is set, and the machine."""
    user = os.environ.get("MLFLOW_TRACKING_USERNAME")
    if not user:
        try:
            user = getpass.getuser()
        except (OSError, KeyError):  # a container whose user has no name
            user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
