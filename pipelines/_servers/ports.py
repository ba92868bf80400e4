"""Find the process that listens on a port of this machine."""

import errno
import socket
from contextlib import suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped, unused-ignore]

HOST = "127.0.0.1"


def holder_of(port: int) -> str | None:
    """Return a description of the process on a port; None if the port is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            if error.errno == errno.EACCES:
                return "the system, which reserves it for its administrator"
        else:
            return None
    for process in psutil.process_iter(["pid", "cmdline"]):
        if port in _listening(process):
            words = " ".join(_words(process))
            return f"process {process.pid} ({words})"
    return "a process of another user"


def is_served_by(group: int, port: int) -> bool:
    """Tell whether a process of a group listens on a port.

    Args:
        group: Process id of the group's first process.
        port: Number of the port.
    """
    with suppress(psutil.Error):
        starter = psutil.Process(group)
        return any(port in _listening(one) for one in [starter, *starter.children(recursive=True)])
    return False


def _listening(process: "psutil.Process") -> set[int]:
    with suppress(psutil.Error, OSError):
        found = process.net_connections(kind="tcp")
        return {one.laddr.port for one in found if one.status == psutil.CONN_LISTEN}
    return set()


def _words(process: "psutil.Process") -> list[str]:
    """Return the beginning of a command line, without possible secrets."""
    words = process.info["cmdline"] or [process.name()]
    return [Path(words[0]).name, *words[1:3]] if words[1:2] == ["-m"] else [Path(words[0]).name]
