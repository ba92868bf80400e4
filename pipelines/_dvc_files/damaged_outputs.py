"""Find files of a stage's output that differ from what DVC recorded, and name the cure.

DVC does not check a file again whose size and time are unchanged, nor a read-only object of its cache. Only this module
finds what a disk damaged.
"""

import json
from pathlib import Path

from pipelines._dvc_files.config import LOCAL_FILE, read_settings

from .lock import Entry, file_hash, folder_md5

CACHE = Path(".dvc/cache")


def damage_of(entry: Entry) -> str | None:
    """Return a message on a stage's folder that differs from DVC's record, with the cure; None where it does not."""
    if folder_md5(entry.out) == entry.md5:
        return None
    objects = _cache() / "files" / "md5"
    listed = _object(objects, entry.md5)
    found = f"{entry.out}: it is not what dvc.lock says"
    if not listed.is_file() or f"{file_hash(listed, 'md5')}.dir" != entry.md5:
        return f"{found}. Run: rm -rf {entry.out} {listed}; dvc repro"
    files = {item["relpath"]: item["md5"] for item in json.loads(listed.read_text())}
    changed = [name for name, md5 in files.items() if not _is(entry.out / name, md5)]
    there = [path for path in entry.out.rglob("*") if path.is_file()]
    more = [path for path in there if path.relative_to(entry.out).as_posix() not in files]
    names = [str(path) for path in (*(entry.out / name for name in changed), *more)]
    held = {_object(objects, files[name]): files[name] for name in changed}
    damaged = [str(path) for path, md5 in held.items() if path.exists() and not _is(path, md5)]
    if damaged:
        return (
            f"{found}: {', '.join(names[:3])} and its object of DVC's cache are damaged, which `dvc status` does not "
            f"see. Run: rm -rf {entry.out} {' '.join(damaged)}; dvc repro (or dvc pull, where there is a remote)"
        )
    return f"{found}: {', '.join(names[:3])} was changed by hand. Run: rm -rf {entry.out}; dvc checkout {entry.out}"


def _cache() -> Path:
    """Return the folder of DVC's cache."""
    settings = read_settings([LOCAL_FILE, LOCAL_FILE.with_name("config")])
    named = settings.get("cache", "dir", fallback="") if settings.has_section("cache") else ""
    return Path(named or CACHE)


def _object(objects: Path, md5: str) -> Path:
    return objects / md5[:2] / md5[2:]


def _is(path: Path, md5: str) -> bool:
    return path.is_file() and file_hash(path, "md5") == md5
