"""DVC's run cache, one stage at a time: DVC itself copies every entry there ever was with each pull and push."""

import time
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.stage import PipelineStage
from dvc.stage.cache import StageCache, _can_hash, _get_stage_hash

HASH = "md5-dos2unix"  # the part of a remote in which DVC keeps the run cache
KEPT_DAYS = 180.0


class KeyedStageCache(StageCache):  # type: ignore[misc, unused-ignore]  # dvc has no types
    """A run cache that fetches and sends the entries of the stage at hand alone."""

    def pull(self, remote: str | None, odb: Any = None) -> list[tuple[str, str]]:
        """Do nothing: `restore` fetches what it needs."""
        return []

    def restore(
        self, stage: PipelineStage, run_cache: bool = True, pull: bool = False, dry: bool = False
    ) -> None:
        """Restore a stage as DVC does, after its entries were fetched."""
        if pull and _can_hash_now(stage):
            self.fetch_entries(stage)
        super().restore(stage, run_cache=run_cache, pull=pull, dry=dry)

    def fetch_entries(self, stage: PipelineStage) -> None:
        """Copy what the remote has of a stage whose dependencies are there, unless it is here."""
        remote = self.repo.cloud.get_remote_odb(None, "fetch --run-cache", hash_name=HASH)
        key = _get_stage_hash(stage)
        place = remote.fs.join(remote.path, "runs", key[:2], key)
        if not remote.fs.exists(place):
            return
        for source in remote.fs.find(place):
            target = Path(self._get_cache_path(key, remote.fs.name(source)))
            if target.exists():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f"{target.name}.partial")
            remote.fs.get_file(source, str(partial))
            partial.replace(target)

    def send_entries(self, stage: PipelineStage) -> None:
        """Copy what is here of a stage to the remote."""
        remote = self.repo.cloud.get_remote_odb(None, "push --run-cache", hash_name=HASH)
        key = _get_stage_hash(stage)
        place = remote.fs.join(remote.path, "runs", key[:2], key)
        remote.fs.makedirs(place, exist_ok=True)
        for source in sorted(Path(self._get_cache_dir(key)).iterdir()):
            target = remote.fs.join(place, source.name)
            if not remote.fs.exists(target):
                partial = f"{target}.partial"
                remote.fs.put_file(str(source), partial)
                remote.fs.mv(partial, target)


def has_remote(repo: Repo) -> bool:
    """Tell whether the repository has a remote to hand outputs over by."""
    return bool(repo.config["core"].get("remote"))


def prune(repo: Repo, *, days: float = KEPT_DAYS) -> int:
    """Delete the entries of the run cache that are older, here and in the remote, and return how many.

    The outputs themselves are `dvc gc`'s to delete. An entry that is used again is written anew.
    """
    limit = time.time() - days * 86400
    folders = [repo.stage_cache.cache_dir]
    count = 0
    if has_remote(repo):
        remote = repo.cloud.get_remote_odb(None, "gc", hash_name=HASH)
        runs = remote.fs.join(remote.path, "runs")
        if remote.fs.protocol == "local":
            folders.append(runs)
        elif remote.fs.exists(runs):
            count = _prune_store(remote.fs.fs, runs, limit)
    for path in (path for folder in folders for path in Path(folder).glob("*/*/*")):
        if path.stat().st_mtime < limit:
            path.unlink(missing_ok=True)
            count += 1
    return count


def _prune_store(fs: Any, runs: str, limit: float) -> int:
    listed = fs.find(runs, detail=True)  # one listing; DVC's own `find` leaves the times out
    gone = [path for path, info in listed.items() if _seconds(info) < limit]
    for path in gone:
        fs.rm_file(path)
    return len(gone)


def _seconds(info: Any) -> float:
    """Return when a file was written; never where its store does not say."""
    found = info.get("mtime") or info.get("LastModified") or info.get("last_modified")
    if found is None:
        return float("inf")
    return float(found.timestamp() if hasattr(found, "timestamp") else found)


def _can_hash_now(stage: PipelineStage) -> bool:
    try:
        stage.save_deps()
    except DvcException:
        return False
    return bool(_can_hash(stage))
