"""Make a scratch clone at the commit of a version; the repository that is cloned is only read."""

import subprocess
from pathlib import Path

from ocrnet.errors import DataError, RebuildError
from pipelines._command.secrets import hide_secrets, without_credentials
from pipelines._repository.git import run_git
from pipelines._untrusted import commit_id, repository


def find_repository(folder: Path) -> str:
    """Return the origin of the checkout in a folder, or the checkout itself if it has none.

    Raises:
        RebuildError: The folder is not in a checkout.
    """
    root = _git(folder, "rev-parse", "--show-toplevel")
    if root.returncode != 0:
        raise RebuildError(
            f"{folder.resolve()}: git found no repository: {_reason(root)}. Correct that, or give --repository URL."
        )
    origin = _git(folder, "remote", "get-url", "origin")
    url = origin.stdout.strip()
    if origin.returncode != 0 or not url:
        return root.stdout.strip()
    is_relative = "://" not in url and url.startswith(".")
    return str((Path(root.stdout.strip()) / url).resolve()) if is_relative else url


def clone(address: str, into: Path) -> None:
    """Clone a repository without checking anything out; the clone's settings hold no credentials.

    Raises:
        ParamsError: The address is not that of a repository.
        RebuildError: Git cannot clone it.
    """
    repository(address, "--repository")
    if Path(address).is_dir():
        address = str(Path(address).resolve())
    arguments = (
        "--quiet",
        "--no-checkout",
        "--",
        without_credentials(address),
        str(into.resolve()),
    )
    done = _git(Path(), "clone", *arguments, address=address)
    if done.returncode != 0:
        raise RebuildError(f"{hide_secrets(address)}: cannot be cloned: {_reason(done)}")


def check_out(into: Path, sha: str, address: str) -> None:
    """Check out a commit, even one that is no longer on a branch.

    Raises:
        RebuildError: The repository does not have the commit.
    """
    if not has_commit(into, sha, address):
        shown = hide_secrets(address)
        here = _git(Path(), "cat-file", "-e", f"{sha}^{{commit}}").returncode == 0
        cure = "The present checkout has it: push it, or give `--repository .`." if here else \
            "Push it, or give --repository with a repository that has it."  # fmt: skip
        raise RebuildError(f"{shown}: it has no commit {sha}. {cure}")
    done = _git(into, "checkout", "--quiet", "--force", "--detach", sha)
    if done.returncode != 0:
        raise RebuildError(f"{into}: commit {sha} cannot be checked out: {_reason(done)}")


def has_commit(into: Path, sha: str, address: str) -> bool:
    """Tell whether the clone, or else its origin, has a commit.

    Raises:
        RebuildError: `sha` is not the hash of a commit.
    """
    place = f"{commit_id(sha, 'git.sha', RebuildError)}^{{commit}}"
    if _git(into, "cat-file", "-e", place).returncode == 0:
        return True
    # A server may serve a commit that no branch reaches.
    _git(into, "fetch", "--quiet", "--end-of-options", "origin", sha, address=address)
    return _git(into, "cat-file", "-e", place).returncode == 0


def _git(folder: Path, *arguments: str, address: str = "") -> "subprocess.CompletedProcess[str]":
    try:
        return run_git(folder, *arguments, address=address)
    except DataError as error:
        raise RebuildError(str(error)) from error


def _reason(done: "subprocess.CompletedProcess[str]") -> str:
    return " ".join(done.stderr.split())[:300]
