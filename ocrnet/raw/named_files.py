"""The files that a line about many files names."""

from collections.abc import Iterable

NAMED_FILES = 5  # in a line about many files


def name_files(paths: Iterable[str]) -> str:
    """Join the first few paths, and add the number of the others."""
    names = list(paths)
    more = f" and {len(names) - NAMED_FILES} more" if len(names) > NAMED_FILES else ""
    return ", ".join(names[:NAMED_FILES]) + more
