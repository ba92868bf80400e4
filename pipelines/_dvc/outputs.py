"""Prepare a clone that served other runs: check out the outputs that a stage reads, and remove stale ones."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo

from ocrnet.errors import DataError
from pipelines._dvc.run_cache import has_remote


def check_out_outputs(repo: Repo, names: Iterable[str]) -> None:
    """Check out the outputs of stages as in `dvc.lock`, from the cache or the remote.

    Raises:
        DataError: Neither of them has the outputs.
    """
    wanted = sorted(names)
    if not wanted:
        return
    try:
        if has_remote(repo):
            repo.pull(targets=wanted, force=True)
        else:
            repo.checkout(targets=wanted, force=True)
    except DvcException as error:
        raise DataError(
            f"{', '.join(wanted)}: neither the cache nor the remote has these outputs: {' '.join(str(error).split())}"
        ) from error


def remove_stale_outputs(repo: Repo, stage: Any) -> None:
    """Remove stale outputs: files that no stage of this graph writes, in the folders that a stage reads.

    A stage reads all of a folder of cells, such as `data/train`: it would also use a cell of another run.
    """
    root = Path(repo.root_dir)
    outs = [Path(out.fs_path) for out in repo.index.outs if out.protocol == "local"]
    for dep in stage.deps:
        folder = Path(dep.fs_path)
        written = [out for out in outs if folder in out.parents]
        if folder.is_dir() and written and root in folder.parents:
            _keep_only(folder, written)


def _keep_only(folder: Path, outs: list[Path]) -> None:
    for path in folder.iterdir():
        if path in outs:
            continue
        if any(path in out.parents for out in outs):
            if path.is_dir():
                _keep_only(path, outs)
        elif path.name != ".gitignore":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
