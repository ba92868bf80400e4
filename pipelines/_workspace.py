"""Clones that persist between runs: one per slot of a worker, each used by one run at a time.

A run is of one commit. Its overrides of params become a commit too, on top of the one asked for, made the same way in
every clone, so that all machines have the same commit without one of them having to push it.
"""

import fcntl
import hashlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ocrnet.errors import DataError, ParamsError
from pipelines._dvc_config import put, read_settings, write_local
from pipelines._params import write_values

CLONES_VARIABLE = "OCRNET_CLONES"
CACHE_VARIABLE = "OCRNET_DVC_CACHE"
DEFAULT_CLONES = Path("~/.cache/ocrnet/clones")
LINKS = "reflink,hardlink,copy"
SLOTS = 64
LOCK_FILE = "dvc.lock"
PARAMS_FILE = "params.yaml"
AUTHOR = {"NAME": "ocrnet", "EMAIL": "ocrnet@localhost"}
TIMEOUT_S = 600


@dataclass(frozen=True)
class Clone:
    """A clone that this process holds.

    Args:
        folder: its root.
        lock: the open file whose lock says that it is taken; a child that gets its descriptor holds it too.
    """

    folder: Path
    lock: IO[bytes]


@contextmanager
def hold_clone(repository: str, *, root: Path | None = None) -> Iterator[Clone]:
    """Take the first clone of a repository that no other process uses, making one where all are in use.

    Raises:
        DataError: the repository cannot be cloned.
    """
    place = (root or Path(os.environ.get(CLONES_VARIABLE) or DEFAULT_CLONES)).expanduser()
    name = (
        f"{Path(repository.rstrip('/')).stem}-{hashlib.sha256(repository.encode()).hexdigest()[:8]}"
    )
    place.mkdir(parents=True, exist_ok=True)
    for slot in range(SLOTS):
        folder = place / f"{name}-{slot}"
        with folder.with_suffix(".lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if not (folder / ".git" / "HEAD").exists():
                git(place, "clone", "--quiet", "--no-checkout", repository, str(folder))
            yield Clone(folder, lock)
            return
    raise DataError(f"{place}: all {SLOTS} clones of {repository} are in use. Stop a worker.")


def resolve_revision(clone: Clone, revision: str) -> str:
    """Return the full hash of a branch, tag or commit of the origin, after a fetch.

    Raises:
        ParamsError: the origin does not have it.
    """
    heads = "+refs/heads/*:refs/remotes/origin/*"
    git(clone.folder, "fetch", "--quiet", "--prune", "--force", "--tags", "origin", heads)
    for name in (f"refs/remotes/origin/{revision}", f"refs/tags/{revision}", revision):
        found = _try(clone.folder, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        if found and _published(clone.folder, found):
            return found
    origin = _try(clone.folder, "config", "remote.origin.url")
    raise ParamsError(f"revision {revision!r}: {origin} has no such commit. Push it first.")


def check_out(clone: Clone, commit: str, overrides: Mapping[str, Any]) -> str:
    """Put the clone at a commit, with overrides of params as one more, and return the hash of what is checked out.

    What DVC or a stage left is kept, so that data and checkpoints need not travel again; `dvc.lock` is the commit's.

    Raises:
        ParamsError: the commit is not there, or a key of the overrides is not in its `params.yaml`.
    """
    folder = clone.folder
    if _try(folder, "cat-file", "-e", f"{commit}^{{commit}}") is None:
        resolve_revision(clone, commit)
    (folder / LOCK_FILE).unlink(missing_ok=True)
    git(folder, "checkout", "--quiet", "--force", "--detach", commit)
    git(folder, "clean", "-d", "--force", "--quiet")
    # Whoever held the clone is gone; a process that has its number by now would seem to hold DVC's lock.
    (folder / ".dvc" / "tmp" / "rwlock").unlink(missing_ok=True)
    share_cache(folder)
    if not overrides:
        return commit
    write_values(folder / PARAMS_FILE, overrides, place="overrides")
    return _commit_all(folder, [PARAMS_FILE], "Override params of one run\n")


def push_lock(clone: Clone, branch: str) -> str:
    """Commit `dvc.lock` on top of what is checked out, push it as a branch of the origin and return its hash."""
    commit = _commit_all(clone.folder, [LOCK_FILE], "Record a run of the pipeline in dvc.lock\n")
    git(clone.folder, "push", "--quiet", "--force", "origin", f"{commit}:refs/heads/{branch}")
    return commit


def share_cache(folder: Path) -> None:
    """Let a clone of a checkout on this machine, or one told to, use a cache that all share."""
    origin = _try(folder, "config", "remote.origin.url") or ""
    checkout = Path(origin.removeprefix("file://")) / ".dvc"
    cache = os.environ.get(CACHE_VARIABLE) or (checkout / "cache" if checkout.is_dir() else None)
    if cache is None:
        return
    settings = read_settings([checkout / "config.local"])  # a remote that only this machine knows
    if not settings.has_option("cache", "dir"):
        put(settings, "cache", dir=str(Path(cache).expanduser().resolve()), type=LINKS)
    write_local(settings, folder)


def git(folder: Path, *arguments: str, **environment: str) -> str:
    """Run git and return what it prints.

    Raises:
        DataError: git failed, with its last line.
    """
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0", **environment},
    )  # fmt: skip
    if done.returncode:
        told = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise DataError(f"git {arguments[0]} in {folder}: {told}")
    return done.stdout.strip()


def _try(folder: Path, *arguments: str) -> str | None:
    try:
        return git(folder, *arguments)
    except DataError:
        return None


def _published(folder: Path, commit: str) -> bool:
    """Tell whether a branch or a tag of the origin holds the commit: other clones must find it too."""
    return bool(
        _try(folder, "branch", "--remotes", "--contains", commit)
        or _try(folder, "tag", "--contains", commit)
    )


def _commit_all(folder: Path, paths: list[str], message: str) -> str:
    """Commit files on top of HEAD and check the commit out; the same files on the same commit give the same hash."""
    git(folder, "add", "--force", "--", *paths)
    tree, parent = git(folder, "write-tree"), git(folder, "rev-parse", "HEAD")
    date = git(folder, "show", "--no-patch", "--format=%cI", parent)
    fixed = {
        f"GIT_{who}_{what}": text
        for who in ("AUTHOR", "COMMITTER")
        for what, text in {**AUTHOR, "DATE": date}.items()
    }
    commit = git(folder, "commit-tree", tree, "-p", parent, "-m", message, **fixed)
    git(folder, "checkout", "--quiet", "--force", "--detach", commit)
    return commit
