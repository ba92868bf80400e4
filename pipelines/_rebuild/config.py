"""DVC's settings of the present checkout, carried over to the scratch clone: its remotes and its shared cache.

The commit of an old version may name a remote that has moved since, or none; and what is particular to a machine
(`.dvc/config.local`) is in no commit.
"""

import os
from configparser import Error, RawConfigParser
from pathlib import Path

from ocrnet.errors import RebuildError

FILES = ("config", "config.local")
PATHS = frozenset({"url", "dir", "keyfile", "credentialpath", "configpath"})
OWN_CACHE = "checkout"  # the name under which the checkout's cache is a remote of the clone


def carry_over(checkout: Path, clone: Path) -> None:
    """Write the checkout's settings to the clone's `config.local`.

    Without any remote or shared cache, as on a single machine, the checkout's own cache is what the clone reads from.
    """
    settings = _read([checkout / ".dvc" / name for name in FILES])
    known = _read([clone / ".dvc" / "config"])
    cache = checkout / ".dvc" / "cache"
    has_remote = any("remote" in section for section in [*settings.sections(), *known.sections()])
    if not has_remote and not settings.has_option("cache", "dir") and cache.is_dir():
        section = f"'remote \"{OWN_CACHE}\"'"
        settings[section] = {"url": str(cache.resolve())}
        if not settings.has_section("core"):
            settings.add_section("core")
        settings["core"]["remote"] = OWN_CACHE
    file = clone / ".dvc" / "config.local"
    if not settings.sections() or not file.parent.is_dir():
        return
    # It may hold a password of the remote: for the owner alone, and git ignores it.
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
        settings.write(opened)


def find_checkout(*candidates: str) -> Path | None:
    """Return the first of some places that is a folder with settings of DVC."""
    return next((Path(place) for place in candidates if Path(place, ".dvc", "config").is_file()), None)  # fmt: skip


def _read(files: list[Path]) -> RawConfigParser:
    """Return the settings of some files, the later ones first in force, their paths made absolute."""
    merged = RawConfigParser()
    merged.optionxform = str  # type: ignore[assignment, method-assign]
    for file in files:
        if not file.is_file():
            continue
        parser = RawConfigParser()
        parser.optionxform = str  # type: ignore[assignment, method-assign]
        try:
            parser.read_string(file.read_text())
        except Error as error:
            raise RebuildError(f"{file}: {' '.join(str(error).split())}") from None
        for name in parser.sections():
            values = {key: _absolute(key, text, file.parent) for key, text in parser[name].items()}
            merged.read_dict({name: values})
    return merged


def _absolute(key: str, text: str, folder: Path) -> str:
    if key not in PATHS or "://" in text:
        return text
    return str((folder / Path(text).expanduser()).resolve())
