"""What the processes of this package share: an open repository, and the exit code of a stage's command."""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dvc.repo import Repo

from pipelines._dvc.run_cache import KeyedStageCache

MACHINE = 70  # exit code if DVC, the cache or the remote failed: another machine, or a later attempt, may succeed


@contextmanager
def open_repo(*, level: int = logging.INFO) -> Iterator[Repo]:
    """Open the repository of this folder, and wait while another process holds DVC's lock."""
    os.environ.setdefault("DVC_NO_ANALYTICS", "1")
    _leave_own_code()
    logger = logging.getLogger("dvc")
    logger.setLevel(level)
    logger.propagate = False
    with Repo(".", _wait_for_lock=True) as repo:
        repo.stage_cache = KeyedStageCache(repo)
        repo.scm_context.quiet = True
        yield repo


def exit_code_of(error: BaseException | None) -> int | None:
    """Return the exit code of the stage's command if that failed; None if something else failed."""
    while error is not None:
        found = re.search(r"failed to run: .*, exited with (-?\d+)$", str(error), re.DOTALL)
        if found:
            code = int(found[1])
            return code if code >= 0 else 128 - code
        error = error.__cause__ or error.__context__
    return None


def _leave_own_code() -> None:
    """Remove the folder of this package from `PYTHONPATH`: the stage must import the code of its own commit."""
    own = str(Path(__file__).parents[2])
    paths = [
        path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path != own
    ]
    if paths:
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    else:
        os.environ.pop("PYTHONPATH", None)
