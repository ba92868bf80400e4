"""Files that are written whole or not at all, with the permissions that the umask gives."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED = ".partial"  # suffix of a file's name until it is whole


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to, which replaces `path` if the block succeeds and is deleted otherwise.

    The mode of the file is what the umask gives to any new file, whatever mode its writer chose: safetensors lets
    nobody but the owner read.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + UNFINISHED)
    partial.unlink(missing_ok=True)
    try:
        partial.touch()
        mode = partial.stat().st_mode
        yield partial
        if partial.stat().st_mode != mode:
            partial.chmod(mode)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Replace a text file by one that is whole."""
    with whole_file(path) as partial:
        partial.write_text(text)
