"""Delete entries of the run cache that no run used for long, here and in the remote."""

import uuid
from collections.abc import Container, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dvc.repo import Repo
from dvc.stage import PipelineStage

from pipelines._dvc.run_cache import DAY_S, HASH, has_remote, seconds_of

KEPT_DAYS = 180.0
SETTLED_S = 1.0  # DVC may be about to fill a younger empty folder


def prune(repo: Repo, *, days: float = KEPT_DAYS) -> int:
    """Delete the entries of the run cache that no run used for long, here and in the remote, and return their number.

    Entries that `dvc.lock` names were used by this run and stay. `dvc gc` deletes the outputs themselves. Folders
    without an entry are deleted too, because DVC always fails at them.

    Args:
        repo: Repository whose `dvc.lock` a run has just written.
        days: Number of days that an entry is kept after its last use, by the clocks of the stores.
    """
    send = has_remote(repo)
    stages = [stage for stage in repo.index.stages if isinstance(stage, PipelineStage)]
    used = {repo.stage_cache.keep(stage, send=send) for stage in stages}
    stores: list[_Folder | _Store] = [_Folder(Path(repo.stage_cache.cache_dir))]
    if send:
        remote = repo.cloud.get_remote_odb(None, "gc", hash_name=HASH)
        runs = remote.fs.join(remote.path, "runs")
        if remote.fs.protocol == "local":
            stores.append(_Folder(Path(runs)))
        else:
            stores.append(_Store(remote.fs.fs, runs, has_folders=remote.fs.protocol == "ssh"))
    now = min(store.now() for store in stores)  # a clock that is ahead must not delete entries
    return sum(store.delete(now - days * DAY_S, used) for store in stores)


class _Folder:
    """A run cache in a folder.

    Args:
        runs: Folder of the run cache, which may be missing.
    """

    def __init__(self, runs: Path) -> None:
        self._runs = runs

    def now(self) -> float:
        """Return the time by the clock of the file system, which is that of a server if the folder is shared."""
        self._runs.mkdir(parents=True, exist_ok=True)
        probe = self._runs.parent / f"clock.{uuid.uuid4().hex}.partial"
        probe.touch()
        try:
            return probe.stat().st_mtime
        finally:
            probe.unlink()

    def delete(self, limit: float, used: Container[str | None]) -> int:
        """Delete entries last used before `limit`, except those of keys in `used`, and return their number."""
        count, settled = 0, self.now() - SETTLED_S
        for folder in self._runs.glob("*/*"):
            with suppress(OSError):  # of another user, or deleted by another process meanwhile
                filled = folder.stat().st_mtime
                found = 0 if folder.name in used else _delete_old(folder, limit)
                count += found
                if found or filled < settled:
                    folder.rmdir()
        return count


def _delete_old(folder: Path, limit: float) -> int:
    count = 0
    for path in folder.iterdir():
        times = path.stat()
        # DVC itself, as in `make repro`, only reads an entry that it restores.
        if max(times.st_mtime, times.st_atime) < limit:
            path.unlink(missing_ok=True)
            count += 1
    return count


class _Store:
    """A run cache in a remote.

    Args:
        fs: File system of fsspec.
        runs: Folder of the run cache in the store, which may be missing.
        has_folders: Whether the store has folders without files, unlike a store of objects.
    """

    def __init__(self, fs: Any, runs: str, *, has_folders: bool) -> None:
        self._fs = fs
        self._runs = runs
        self._has_folders = has_folders

    def now(self) -> float:
        """Return the time by the clock of the store; 0 if the store does not give times."""
        probe = f"{self._runs.rpartition('/')[0]}/clock.{uuid.uuid4().hex}.partial"
        self._fs.pipe_file(probe, b"now")
        try:
            self._fs.invalidate_cache()
            seconds = seconds_of(self._fs.info(probe))
        finally:
            self._fs.rm_file(probe)
        return seconds if seconds < float("inf") else 0.0

    def delete(self, limit: float, used: Container[str | None]) -> int:
        """Delete entries last used before `limit`, except those of keys in `used`, and return their number."""
        if not self._fs.exists(self._runs):
            return 0
        # One listing; DVC's own `find` leaves the times out.
        listed = self._fs.find(self._runs, detail=True, withdirs=True)
        files = {path: info for path, info in listed.items() if info["type"] == "file"}
        old = {
            path
            for path, info in files.items()
            if seconds_of(info) < limit and path.split("/")[-2] not in used
        }
        for path in old:
            self._fs.rm_file(path)
        if self._has_folders:
            filled = {_parent(path) for path in files.keys() - old}
            self._remove_empty(listed, filled=filled, emptied={_parent(path) for path in old})
        return len(old)

    def _remove_empty(
        self, listed: Mapping[str, Any], *, filled: Container[str], emptied: Container[str]
    ) -> None:
        settled = self.now() - SETTLED_S
        for path, info in listed.items():
            folder = path.rstrip("/")
            is_key = folder.count("/") == self._runs.count("/") + 2
            if info["type"] == "directory" and is_key and folder not in filled:
                with suppress(OSError):  # another process filled it meanwhile
                    if folder in emptied or seconds_of(info) < settled:
                        self._fs.rm(folder, recursive=False)


def _parent(path: str) -> str:
    return path.rpartition("/")[0]
