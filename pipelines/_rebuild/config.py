"""Copy DVC's settings of the present checkout into the scratch clone: its remotes and its shared cache.

The commit of an old version may name a remote that has moved since, or none, and no commit holds the settings of a
machine (`.dvc/config.local`).
"""

from pathlib import Path

from pipelines._dvc_files.config import put, read_settings, write_local

FILES = ("config", "config.local")
OWN_CACHE = "checkout"  # name of the clone's remote that is the checkout's cache


def carry_over(checkout: Path, clone: Path) -> None:
    """Write the checkout's settings to the clone's `config.local`.

    Without any remote or shared cache, as on a single machine, the clone reads from the checkout's own cache.
    """
    settings = read_settings(checkout / ".dvc" / name for name in FILES)
    known = read_settings([clone / ".dvc" / "config"])
    cache = checkout / ".dvc" / "cache"
    has_remote = any("remote" in section for section in [*settings.sections(), *known.sections()])
    if not has_remote and not settings.has_option("cache", "dir") and cache.is_dir():
        put(settings, f"'remote \"{OWN_CACHE}\"'", url=str(cache.resolve()))
        put(settings, "core", remote=OWN_CACHE)
    write_local(settings, clone)


def find_checkout(*candidates: str) -> Path | None:
    """Return the first candidate that is a folder with DVC settings."""
    return next((Path(place) for place in candidates if Path(place, ".dvc", "config").is_file()), None)  # fmt: skip
