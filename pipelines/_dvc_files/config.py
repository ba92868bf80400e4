"""Copy DVC's settings of a checkout into a clone of it: its remotes and its cache.

No commit holds the settings of a machine (`.dvc/config.local`), and a commit may name a remote that has moved.
"""

import os
from collections.abc import Iterable
from configparser import Error, RawConfigParser
from pathlib import Path

from ocrnet.errors import DataError

PATHS = frozenset({"url", "dir", "keyfile", "credentialpath", "configpath"})
LOCAL_FILE = Path(".dvc", "config.local")


def read_settings(files: Iterable[Path]) -> RawConfigParser:
    """Return the merged settings of some files with absolute paths; later files override earlier ones.

    Raises:
        DataError: A file cannot be read as settings.
    """
    merged = _parser()
    for file in files:
        if not file.is_file():
            continue
        parser = _parser()
        try:
            parser.read_string(file.read_text())
        except Error as error:
            raise DataError(f"{file}: {' '.join(str(error).split())}") from None
        for name in parser.sections():
            values = {key: _absolute(key, text, file.parent) for key, text in parser[name].items()}
            merged.read_dict({name: values})
    return merged


def put(settings: RawConfigParser, section: str, **values: str) -> None:
    """Put values into a section, and make the section if it is missing."""
    settings.read_dict({section: values})


def write_local(settings: RawConfigParser, clone: Path) -> None:
    """Write settings to the clone's `config.local`; do nothing if there are none or the clone has no `.dvc`."""
    file = clone / LOCAL_FILE
    if not settings.sections() or not file.parent.is_dir():
        return
    # It may hold a password of the remote: only the owner may read it, and git ignores it.
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
        settings.write(opened)


def _parser() -> RawConfigParser:
    parser = RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    return parser


def _absolute(key: str, text: str, folder: Path) -> str:
    if key not in PATHS or "://" in text:
        return text
    return str((folder / Path(text).expanduser()).resolve())
