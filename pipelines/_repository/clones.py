"""Clones that persist between runs: one per slot of a worker, each used by one run at a time.

A run uses one commit. Overrides of params become another commit on top of it. Every clone makes that commit in the same
way, so all machines have the same commit and none has to push it.
"""

import fcntl
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ocrnet.errors import DataError, ParamsError
from pipelines import _untrusted
from pipelines._command.secrets import hide_secrets
from pipelines._dvc_files.config import put, read_settings, write_local
from pipelines._edit_params import write_values
from pipelines._repository.git import git, try_git

CLONES_VARIABLE = "OCRNET_CLONES"
CACHE_VARIABLE = "OCRNET_DVC_CACHE"
DEFAULT_CLONES = Path("~/.cache/ocrnet/clones")
LINKS = "reflink,hardlink,copy"
SLOTS = 64
LOCK_FILE = "dvc.lock"
PARAMS_FILE = "params.yaml"
AUTHOR = {"NAME": "ocrnet", "EMAIL": "ocrnet@localhost"}
READER = "ocrnet/config/params_file.py"  # code that runs in a commit of this project and reads that commit's params
READ = """
import sys
from pathlib import Path
from ocrnet.errors import OcrnetError
from ocrnet.config.params_file import load_params
try:
    load_params(Path("params.yaml"))
except OcrnetError as error:
    sys.exit(str(error))
"""
WRITTEN = (
    PARAMS_FILE,
    LOCK_FILE,
    ".dvc/config.local",
    ".dvc/tmp/rwlock",
)  # this project makes these folders in a clone


@dataclass(frozen=True)
class Clone:
    """A clone that this process holds.

    Args:
        folder: Root folder of the clone.
        lock: Open file whose lock marks the clone as used; a child that inherits its descriptor holds the lock too.
    """

    folder: Path
    lock: IO[bytes]


@contextmanager
def hold_clone(repository: str, *, root: Path | None = None) -> Iterator[Clone]:
    """Lock the first clone of a repository that no other process uses; make one if all are in use.

    Raises:
        ParamsError: The address is not that of a repository, or holds a password.
        DataError: The repository cannot be cloned.
    """
    _untrusted.stored_repository(repository)
    place = (root or Path(os.environ.get(CLONES_VARIABLE) or DEFAULT_CLONES)).expanduser()
    stem = re.sub(r"[^\w.-]", "_", Path(repository.rstrip("/")).stem)[:40]
    name = f"{stem}-{hashlib.sha256(repository.encode()).hexdigest()[:8]}"
    place.mkdir(parents=True, exist_ok=True)
    for slot in range(SLOTS):
        folder = place / f"{name}-{slot}"
        with folder.with_suffix(".lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if not (folder / ".git" / "HEAD").exists():
                git(place, "clone", "--quiet", "--no-checkout", "--", repository, str(folder))
            yield Clone(folder, lock)
            return
    raise DataError(f"{place}: all {SLOTS} clones of {repository} are in use. Stop a worker.")


def resolve_revision(clone: Clone, revision: str) -> str:
    """Return the full hash of a branch, tag or commit of the origin, after a fetch.

    Raises:
        ParamsError: The text is not the name of a commit, or the origin does not have the commit.
    """
    _untrusted.revision(revision)
    heads = "+refs/heads/*:refs/remotes/origin/*"
    git(clone.folder, "fetch", "--quiet", "--prune", "--force", "--tags", "origin", heads)
    for name in (f"refs/remotes/origin/{revision}", f"refs/tags/{revision}", *_hashes(revision)):
        found = try_git(clone.folder, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        if found and _published(clone.folder, found):
            return found
    origin = hide_secrets(try_git(clone.folder, "config", "remote.origin.url") or "the origin")
    raise ParamsError(f"revision {revision!r}: {origin} has no such commit. Push it first.")


def check_out(clone: Clone, commit: str, overrides: Mapping[str, Any]) -> str:
    """Check out a commit, with overrides of params as a commit on top, and return the hash of the result.

    Files of DVC and of stages stay, so that data and checkpoints are not transferred again; `dvc.lock` is the commit's.

    Raises:
        ParamsError: The commit is missing, its `params.yaml` lacks a key, or its params are wrong.
    """
    folder = clone.folder
    _untrusted.commit_id(commit, "commit")
    if try_git(folder, "cat-file", "-e", f"{commit}^{{commit}}") is None:
        resolve_revision(clone, commit)
    (folder / LOCK_FILE).unlink(missing_ok=True)
    git(folder, "checkout", "--quiet", "--force", "--detach", commit)
    git(folder, "clean", "-d", "--force", "--quiet")
    for name in WRITTEN:
        _untrusted.own_file(folder, name)
    # The process that used the clone before has ended; a new process with its id would seem to hold DVC's lock.
    (folder / ".dvc" / "tmp" / "rwlock").unlink(missing_ok=True)
    share_cache(folder)
    if overrides:
        write_values(folder / PARAMS_FILE, overrides, place="overrides")
    check_params(folder)
    if not overrides:
        return commit
    return commit_files(folder, [PARAMS_FILE], "Override params of one run\n")


def check_params(folder: Path) -> None:
    """Check the params of a clone with the clone's own code, before DVC or a shell sees them.

    The code of another commit may have other params.

    Raises:
        ParamsError: A key or a value is wrong.
    """
    if not (folder / READER).is_file() or not (folder / PARAMS_FILE).is_file():
        return
    done = subprocess.run(
        [sys.executable, "-c", READ], cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"{PARAMS_FILE}: cannot be read"]
        shown_lines = lines[-1:] if lines[0].startswith("Traceback") else lines
        raise ParamsError(hide_secrets("\n".join(shown_lines)))


def share_cache(folder: Path) -> None:
    """Let a clone use a shared cache: that of its checkout on this machine, or the configured one."""
    origin = try_git(folder, "config", "remote.origin.url") or ""
    checkout = Path(origin.removeprefix("file://")) / ".dvc"
    cache = os.environ.get(CACHE_VARIABLE) or (checkout / "cache" if checkout.is_dir() else None)
    if cache is None:
        return
    settings = read_settings(
        [checkout / "config.local"]
    )  # a remote that is set only on this machine
    if not settings.has_option("cache", "dir"):
        put(settings, "cache", dir=str(Path(cache).expanduser().resolve()), type=LINKS)
    write_local(settings, folder)


def _hashes(revision: str) -> list[str]:
    """Return a revision if it may be a hash: git would evaluate any other word as an expression."""
    return [revision] if re.fullmatch("[0-9a-f]{7,64}", revision) else []


def _published(folder: Path, commit: str) -> bool:
    """Tell whether a branch or a tag of the origin holds the commit: other clones must find it too."""
    return bool(
        try_git(folder, "branch", "--remotes", "--contains", commit)
        or try_git(folder, "tag", "--contains", commit)
    )


def commit_files(folder: Path, paths: list[str], message: str) -> str:
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
