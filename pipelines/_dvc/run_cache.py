"""DVC's run cache, one stage at a time: DVC itself copies every entry with each pull and push.

An entry is a file `runs/ab/KEY/VALUE`: KEY is a hash of the stage's inputs, VALUE one of its outputs. A run rewrites
the entries that it uses, so that the time of an entry is that of its last use. The clock of the store gives the ages:
that of a worker may be wrong. Unfinished files are outside the folder of their key: inside, DVC would read
them as entries.
"""

import re
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.stage import PipelineStage
from dvc.stage.cache import StageCache, _can_hash, _get_cache_hash, _get_stage_hash
from dvc.stage.serialize import to_single_stage_lockfile

HASH = "md5-dos2unix"  # the part of a remote in which DVC keeps the run cache
FRESH_DAYS = 1.0  # an entry used more recently is not rewritten
DAY_S = 86400.0
_ENTRY = re.compile(r"[0-9a-f]{64}")


class KeyedStageCache(StageCache):  # type: ignore[misc, unused-ignore]  # dvc has no types
    """A run cache that fetches and sends only the entries of the stage in question."""

    def pull(self, remote: str | None, odb: Any = None) -> list[tuple[str, str]]:
        """Do nothing: `restore` fetches what it needs."""
        return []

    def restore(
        self, stage: PipelineStage, run_cache: bool = True, pull: bool = False, dry: bool = False
    ) -> None:
        """Restore a stage as DVC does, after its entries were fetched, and note that its entry was used."""
        if pull and _can_hash_now(stage):
            self.fetch_entries(stage)
        super().restore(stage, run_cache=run_cache, pull=pull, dry=dry)
        if not dry and _can_hash(stage):
            self._note_use(_get_stage_hash(stage), pull=pull)

    def save(self, stage: PipelineStage) -> None:
        """Save an entry as DVC does; try again if another process deleted the empty folder meanwhile."""
        try:
            super().save(stage)
        except FileNotFoundError:
            super().save(stage)

    def fetch_entries(self, stage: PipelineStage) -> None:
        """Copy the entries of a stage that are missing here from the remote; the dependencies must exist."""
        remote = self._remote("fetch --run-cache")
        key = _get_stage_hash(stage)
        place = remote.fs.join(remote.path, "runs", key[:2], key)
        if not remote.fs.exists(place):
            return
        for source in remote.fs.find(place):
            name = remote.fs.name(source)
            target = Path(self._get_cache_path(key, name))
            if target.exists() or not _ENTRY.fullmatch(name):
                continue
            partial = self._partial(name)
            remote.fs.get_file(source, str(partial))
            target.parent.mkdir(parents=True, exist_ok=True)
            partial.replace(target)

    def send_entries(self, stage: PipelineStage) -> None:
        """Copy the entries of a stage to the remote."""
        key = _get_stage_hash(stage)
        for value in self._values(key):
            self._send(key, value)

    def keep(self, stage: PipelineStage, *, send: bool) -> str | None:
        """Note that a run used the entry of a stage, also in the remote if there is one.

        Args:
            stage: Stage with the hashes of `dvc.lock`.
            send: Whether there is a remote.

        Returns:
            The key of the stage; None if `dvc.lock` lacks one of its hashes.
        """
        known = all(item.hash_info for item in (*stage.deps, *stage.outs))
        if not known or not _can_hash(stage):  # DVC would hash files that `dvc.lock` does not name
            return None
        key = str(_get_stage_hash(stage))
        value = _get_cache_hash(to_single_stage_lockfile(stage))
        if send and not Path(self._get_cache_path(key, value)).exists():
            self.fetch_entries(stage)
        self._renew(key, value, send=send)
        return key

    def _load(self, stage: PipelineStage) -> Any:
        """Return the newest entry of a stage or None. DVC's own method always fails at an empty folder."""
        key = _get_stage_hash(stage)
        entries = (self._load_cache(key, value) for value in self._values(key))
        return next((entry for entry in entries if entry), None)

    def _values(self, key: str) -> list[str]:
        """Return the names of the entries of a key, the newest first."""
        found = []
        for path in Path(self._get_cache_dir(key)).glob("*"):
            if _ENTRY.fullmatch(path.name):
                with suppress(FileNotFoundError):
                    found.append((path.stat().st_mtime, path.name))
        return [name for _, name in sorted(found, reverse=True)]

    def _note_use(self, key: str, *, pull: bool) -> None:
        values = self._values(key)
        if values:
            self._renew(key, values[0], send=pull)

    def _renew(self, key: str, value: str, *, send: bool) -> None:
        """Rewrite an entry, so that its time is now by the clock of its store; skip one that cannot be written."""
        path = Path(self._get_cache_path(key, value))
        with suppress(PermissionError, FileNotFoundError):
            if not _is_fresh(path.stat().st_mtime):
                partial = self._partial(value)
                partial.write_bytes(path.read_bytes())
                partial.replace(path)
        if send and path.exists():
            self._send(key, value)

    def _send(self, key: str, value: str) -> None:
        """Copy an entry to the remote, unless the one there is fresh."""
        source = self._get_cache_path(key, value)
        remote = self._remote("push --run-cache")
        place = remote.fs.join(remote.path, "runs", key[:2], key)
        target = remote.fs.join(place, value)
        if remote.fs.exists(target) and _is_fresh(seconds_of(remote.fs.fs.info(target))):
            return
        remote.fs.makedirs(place, exist_ok=True)
        partial = remote.fs.join(remote.path, f"{value}.{uuid.uuid4().hex}.partial")
        remote.fs.put_file(source, partial)
        remote.fs.mv(partial, target)

    def _remote(self, command: str) -> Any:
        return self.repo.cloud.get_remote_odb(None, command, hash_name=HASH)

    def _partial(self, name: str) -> Path:
        folder = Path(self.cache_dir).parent
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.{uuid.uuid4().hex}.partial"


def read_key(repo: Repo, name: str) -> str:
    """Return the key of a stage in the run cache: a hash of its command and of its inputs as they are now."""
    with repo.lock:
        (stage,) = repo.stage.collect(name)
        stage.save_deps()
        return str(_get_stage_hash(stage))


def has_remote(repo: Repo) -> bool:
    """Tell whether the repository has a remote for the transfer of outputs."""
    return bool(repo.config["core"].get("remote"))


def seconds_of(info: Any) -> float:
    """Return the time when a file was written, in seconds; infinity if its store does not report it."""
    found = info.get("mtime") or info.get("LastModified") or info.get("last_modified")
    if found is None:
        return float("inf")
    return float(found.timestamp() if hasattr(found, "timestamp") else found)


def _is_fresh(written: float) -> bool:
    return abs(time.time() - written) < FRESH_DAYS * DAY_S


def _can_hash_now(stage: PipelineStage) -> bool:
    try:
        stage.save_deps()
    except DvcException:
        return False
    return bool(_can_hash(stage))
