"""A work folder: a clone of this checkout at a commit, with params of its own and the checkout's DVC cache.

DVC restores there what any work folder, or the checkout itself, has computed before, and a stage that was killed
resumes from its checkpoint.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from ruamel.yaml import YAML

from ocrnet.config import Params
from ocrnet.errors import DataError, ParamsError
from pipelines._dvc_files.config import LOCAL_FILE
from pipelines._dvc_files.lock_check import GRAPH_FILE
from pipelines._repository.clones import LOCK_FILE, PARAMS_FILE, Clone, check_out
from pipelines._repository.git import git, try_git
from pipelines._stage.dependencies import CODE, CODE_ROOT


def committed_head(*further: str) -> str:
    """Return the commit of the checkout, whose code is the commit's.

    Args:
        further: Further files and folders that must not differ from the commit, beside the code of the stages.

    Raises:
        ParamsError: The checkout has changes that are not committed.
    """
    changed = git(CODE_ROOT, "status", "--porcelain", "--", *CODE, *further, GRAPH_FILE)
    if changed:
        files = ", ".join(line[2:].strip() for line in changed.splitlines())
        raise ParamsError(
            f"{CODE_ROOT}: only the code of a commit is run, and these files differ from it: {files}. Commit them."
        )
    return git(CODE_ROOT, "rev-parse", "HEAD")


def place_data(params: Params, data: Path | None = None) -> tuple[Params, Path]:
    """Return params whose `data.path` is within a work folder, and the folder of the raw set on this machine.

    Args:
        params: Params of the study.
        data: Folder of the raw set; by default `data.path` of the params.

    Raises:
        DataError: There is no such folder.
    """
    raw = (data or Path(params.data.path)).absolute()
    if not raw.is_dir() and params.data.source != "demo":
        raise DataError(f"{raw}: no such folder. Name the folder of the raw set.")
    is_within = raw.is_relative_to(CODE_ROOT / "data" / "raw")
    path = raw.relative_to(CODE_ROOT) if is_within else Path("data", "raw", raw.name)
    section = params.data.model_copy(update={"path": path.as_posix()})
    return params.model_copy(update={"data": section}), raw


def bring_up(folder: Path, commit: str, lock: IO[bytes]) -> bool:
    """Check a commit out in a work folder and return whether another one was there; what DVC has made there stays.

    Args:
        folder: Work folder, which is made if it is missing.
        commit: Full hash of a commit of this checkout.
        lock: Open file whose lock this process holds for the folder.
    """
    if not (folder / ".git" / "HEAD").exists():
        place = str(folder.absolute())
        git(folder.parent, "clone", "--quiet", "--no-checkout", "--", str(CODE_ROOT), place)
    is_ready = (folder / LOCAL_FILE).exists() and try_git(folder, "rev-parse", "HEAD") == commit
    if not is_ready:
        git(folder, "fetch", "--quiet", "origin", "HEAD")
        known = (folder / LOCK_FILE).read_bytes() if (folder / LOCK_FILE).exists() else None
        check_out(Clone(folder, lock), commit, {})
        if known is not None:
            (folder / LOCK_FILE).write_bytes(known)
    # Its former holder is gone; a new process with the same id would seem to hold DVC's lock.
    (folder / ".dvc" / "tmp" / "rwlock").unlink(missing_ok=True)
    return not is_ready


def put_params(folder: Path, params: Params, raw: Path) -> None:
    """Write params into a work folder and make their raw set reachable there.

    Args:
        folder: Work folder.
        params: Params, whose `data.path` is within the folder.
        raw: Folder of the raw set on this machine.
    """
    tree = tree_of(params)
    tree["publish"]["live"] = False  # a study sends nothing to MLflow
    YAML().dump(tree, folder / PARAMS_FILE)
    _link_raw(folder / params.data.path, raw)


def start_stages(
    folder: Path,
    targets: Sequence[str],
    *,
    locks: Path,
    lock: IO[bytes],
    log: IO[bytes] | None = None,
) -> "subprocess.Popen[bytes]":
    """Start DVC on stages of a work folder; the process holds the folder's lock as long as it lives.

    It ends with 0, or with the exit code of the stage that failed. SIGTERM ends it with the stage that it runs.

    Args:
        folder: Work folder.
        targets: Names of the stages that are brought up to date with all that they depend on.
        locks: Folder of locks: of the processes that share it, one runs a stage with equal inputs.
        lock: Open file whose lock this process holds for the folder.
        log: File that gets what the stages print; None: they print where this process does.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines._dvc.run_stages", str(locks.absolute()), *targets], cwd=folder,
        env={**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1"}, pass_fds=[lock.fileno()],
        stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip


def tree_of(params: Params) -> dict[str, Any]:
    """Return params as the sections of `params.yaml`."""
    return params.model_dump(mode="json", by_alias=True)


def _link_raw(path: Path, raw: Path) -> None:
    """Make the raw set reachable in a work folder, unless git or DVC has it there."""
    if path.is_symlink():
        path.unlink()  # it may lead to another folder of the same name
    if not path.exists() and raw.is_dir() and not path.with_name(path.name + ".dvc").exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(raw)
