"""The bytes that a server keeps: uploads and pictures; the oldest are deleted first."""

import os
import threading
import time
from pathlib import Path

YOUNG_S = 10.0  # a file of this age may still be read by the request that wrote it


class Quota:
    """A limit on the bytes below a folder.

    Args:
        folder: Folder of the files of a server.
        limit: Most bytes that are kept.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self.limit = limit
        self._lock = threading.Lock()

    def make_room(self, coming: int, *, now: float | None = None) -> bool:
        """Delete the oldest files until `coming` bytes have room, and tell whether they have.

        Files of the last seconds are kept, so that no request loses what it has just written.

        Args:
            coming: Bytes that will be written.
            now: Seconds since 1970; None: the present time.
        """
        moment = time.time() if now is None else now
        with self._lock:
            files = sorted(self._files())
            held = sum(size for _, size, _ in files)
            for written, size, path in files:
                if held + coming <= self.limit or moment - written < YOUNG_S:
                    break
                path.unlink(missing_ok=True)
                held -= size
            return held + coming <= self.limit

    def _files(self) -> list[tuple[float, int, Path]]:
        """Return time, size and path of every file; others may delete files meanwhile."""
        found = []
        for place, _, names in os.walk(self._folder):
            for name in names:
                path = Path(place, name)
                try:
                    facts = path.stat()
                except OSError:
                    continue
                found.append((facts.st_mtime, facts.st_size, path))
        return found
