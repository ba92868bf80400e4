"""Checkpoints of a stage in a store that all workers share, so that another worker continues after a failure.

`checkpoints.store` of `params.yaml`, or the variable OCRNET_CHECKPOINTS of a worker, names it: a folder or an fsspec
URL. If it is empty, checkpoints stay on the machine.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
from ruamel.yaml import YAML

from ocrnet.data.files import UNFINISHED, whole_file
from pipelines._command.secrets import hide_secrets

VARIABLE = "OCRNET_CHECKPOINTS"
FOLDER = Path(".state/checkpoints")  # of the stages of `pipelines`, see `pipelines._stage.stage`
INTERVAL_S = 2.0


class Mirror:
    """The checkpoints of one stage, here and in the store.

    Args:
        here: Folder of the stage's checkpoints.
        store: Address of the stage's folder in the store, for fsspec.
    """

    def __init__(self, here: Path, store: str) -> None:
        self.here = here
        self.fs, self.place = fsspec.core.url_to_fs(store)
        self._sent: dict[Path, float] = {}

    def fetch(self) -> int:
        """Copy files that this machine lacks from the store, and return their number."""
        if not self.fs.exists(self.place):
            return 0
        copied = 0
        for source in self.fs.find(self.place):
            target = self.here / PurePosixPath(source).relative_to(self.place)
            if target.exists() or target.name.endswith(UNFINISHED):
                continue
            with whole_file(target) as partial:
                self.fs.get_file(source, str(partial))
            self._sent[target] = target.stat().st_mtime
            copied += 1
        return copied

    def send(self) -> None:
        """Copy new and changed files to the store, each whole or not at all."""
        for path in sorted(self.here.rglob("*")):
            if path.name.endswith(UNFINISHED) or not path.is_file():
                continue
            written = path.stat().st_mtime
            if self._sent.get(path) == written:
                continue
            target = f"{self.place}/{path.relative_to(self.here).as_posix()}"
            self.fs.makedirs(target.rpartition("/")[0], exist_ok=True)
            self.fs.put_file(str(path), target + UNFINISHED)
            self.fs.mv(target + UNFINISHED, target)
            self._sent[path] = written

    def clear(self) -> None:
        """Delete the stage's checkpoints in the store, once the stage is complete."""
        if self.fs.exists(self.place):
            self.fs.rm(self.place, recursive=True)


@contextmanager
def mirror_checkpoints(root: Path, stage: str) -> Iterator[None]:
    """Fetch a stage's checkpoints, send new ones while it runs, and delete those in the store after success."""
    store = os.environ.get(VARIABLE) or _store_of(root / "params.yaml")
    if not store:
        yield
        return
    mirror = Mirror(root / FOLDER / stage, f"{store.rstrip('/')}/{stage}")
    found = _quietly(mirror.fetch, stage, "fetched from")
    if found:
        print(f"{stage}: continues from a checkpoint of {hide_secrets(store)}", flush=True)
    ended = threading.Event()
    sender = threading.Thread(target=_send_until, args=(mirror, stage, ended), daemon=True)
    sender.start()
    try:
        yield
    finally:
        ended.set()
        sender.join()
    _quietly(mirror.clear, stage, "deleted in")


def _send_until(mirror: Mirror, stage: str, ended: threading.Event) -> None:
    while not ended.wait(INTERVAL_S):
        _quietly(mirror.send, stage, "sent to")
    _quietly(mirror.send, stage, "sent to")


def _quietly(action: Any, stage: str, what: str) -> Any:
    """Run an action on the store; if it fails, print the error and continue, since the stage can run without it."""
    try:
        return action()
    except Exception as error:  # a store may raise anything
        words = hide_secrets(" ".join(str(error).split()))
        print(f"{stage}: a checkpoint could not be {what} the store: {words}", flush=True)
        return None


def _store_of(params: Path) -> str:
    try:
        loaded = YAML(typ="safe").load(params)
    except FileNotFoundError:
        return ""
    section = loaded.get("checkpoints") if isinstance(loaded, dict) else None
    return str((section or {}).get("store") or "")
