"""A lock that one process of this machine holds at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ocrnet.errors import ParamsError


@contextmanager
def locked(path: Path, *, busy: str | None = None) -> Iterator[IO[bytes]]:
    """Hold a lock; the kernel frees it when the holder dies.

    Args:
        path: Path of the lock file.
        busy: Error if another process holds the lock; None: wait until it is free.

    Raises:
        ParamsError: Another process holds the lock, and `busy` is given.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as lock:
        if busy is None:
            fcntl.flock(lock, fcntl.LOCK_EX)
        elif not _try_lock(lock):
            raise ParamsError(busy)
        yield lock


def _try_lock(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
