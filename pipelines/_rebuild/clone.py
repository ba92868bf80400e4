"""A scratch clone at the commit of a version; the repository it comes from is only read."""

import os
import subprocess
from pathlib import Path

from ocrnet.errors import RebuildError
from pipelines._mlflow.target import hide_userinfo

HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")


def find_repository(folder: Path) -> str:
    """Return the origin of the checkout in a folder, or the checkout itself where it has none.

    Raises:
        RebuildError: there is no checkout.
    """
    root = _git(folder, "rev-parse", "--show-toplevel")
    if root.returncode != 0:
        raise RebuildError(
            f"{folder.resolve()}: git gives no repository: {_reason(root)}. Mend that, or give --repository URL."
        )
    origin = _git(folder, "remote", "get-url", "origin")
    url = origin.stdout.strip()
    if origin.returncode != 0 or not url:
        return root.stdout.strip()
    is_relative = "://" not in url and url.startswith(".")
    return str((Path(root.stdout.strip()) / url).resolve()) if is_relative else url


def clone(repository: str, into: Path) -> None:
    """Clone a repository, nothing checked out.

    Raises:
        RebuildError: git cannot.
    """
    if Path(repository).is_dir():
        repository = str(Path(repository).resolve())
    done = _git(Path(), "clone", "--quiet", "--no-checkout", "--", repository, str(into.resolve()))
    if done.returncode != 0:
        raise RebuildError(f"{hide_userinfo(repository)}: cannot be cloned: {_reason(done)}")


def check_out(into: Path, sha: str, repository: str) -> None:
    """Check out a commit, which may be on no branch any more.

    Raises:
        RebuildError: the repository does not have it.
    """
    if not has_commit(into, sha):
        shown = hide_userinfo(repository)
        here = _git(Path(), "cat-file", "-e", f"{sha}^{{commit}}").returncode == 0
        cure = "It is in the present checkout: push it, or give `--repository .`." if here else \
            "Was it never pushed? Give --repository with one that has it."  # fmt: skip
        raise RebuildError(f"{shown}: has no commit {sha}. {cure}")
    done = _git(into, "checkout", "--quiet", "--force", "--detach", sha)
    if done.returncode != 0:
        raise RebuildError(f"{into}: commit {sha} cannot be checked out: {_reason(done)}")


def has_commit(into: Path, sha: str) -> bool:
    """Tell whether the clone, or else its origin, has a commit."""
    place = f"{sha}^{{commit}}"
    if _git(into, "cat-file", "-e", place).returncode == 0:
        return True
    _git(into, "fetch", "--quiet", "origin", sha)  # a server may give out what no branch reaches
    return _git(into, "cat-file", "-e", place).returncode == 0


def _git(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    # Neither a question on the terminal nor the variables of a hook that this may run in.
    kept = {name: text for name, text in os.environ.items() if name not in HOOK}
    try:
        return subprocess.run(
            ["git", "-C", str(folder), *arguments], env={**kept, "GIT_TERMINAL_PROMPT": "0"},
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except FileNotFoundError:
        raise RebuildError("git: no such command. Install git.") from None


def _reason(done: "subprocess.CompletedProcess[str]") -> str:
    return hide_userinfo(" ".join(done.stderr.split()))[:300]
