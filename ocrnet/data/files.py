"""Files that are written atomically, with the permissions of the umask."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED = ".partial"  # suffix of a file's name until it is complete


@contextmanager
def whole_file(path: Path, *, mode: int = 0o666) -> Iterator[Path]:
    """Yield a path to write to; the file replaces `path` if the block succeeds and is deleted otherwise.

    The file has its mode from the start and keeps it, even if the writer changes it: safetensors makes its files
    readable only by the owner.

    Args:
        path: Path of the finished file.
        mode: Permissions of the file before the umask; 0o600 for secrets.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + UNFINISHED)
    partial.unlink(missing_ok=True)
    try:
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        given = partial.stat().st_mode
        yield partial
        if partial.stat().st_mode != given:
            partial.chmod(given)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Replace a text file atomically."""
    with whole_file(path) as partial:
        partial.write_text(text)
