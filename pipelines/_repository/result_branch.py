"""Push the `dvc.lock` of a run to a branch of the origin: a new one, or one that only runs of the pipeline made.

The branch is checked before the first stage and pushed at the end with a lease on its commit. If others pushed
meanwhile, their commits stay, and the commit of the run is kept under `LOCKS` instead.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from ocrnet.errors import DataError, ParamsError
from pipelines import _untrusted
from pipelines._repository.clones import AUTHOR, LOCK_FILE, Clone, commit_files
from pipelines._repository.git import git, run_git, try_git

LOCKS = "ocrnet-locks"  # branches `ocrnet-locks/COMMIT`, of runs whose own branch was pushed by others meanwhile
TRAILER = "Pipeline-Branch"
HEADS = "refs/heads/"
CURE = "Give `branch` another name, such as runs/today; the run makes that branch."


@dataclass(frozen=True)
class Lease:
    """A branch that a run may push.

    Args:
        branch: Name of the branch.
        seen: Commit of the branch at the check; empty if the origin had no such branch.
    """

    branch: str
    seen: str


def check_branch(clone: Clone, branch: str, commit: str) -> Lease:
    """Refuse a branch that a run must not push, before any stage has run.

    Args:
        clone: Clone of the run.
        branch: Name of the branch.
        commit: Commit of the run.

    Raises:
        ParamsError: The name is not valid, or the branch is the origin's default, is checked out, or holds commits of
            others.
        DataError: The origin does not answer, or refuses pushes of this process.
    """
    place = f"branch {_untrusted.branch_name(branch)!r}"
    folder = clone.folder
    heads = _heads(folder)
    for other in heads:
        if other.startswith(f"{branch}/") or branch.startswith(f"{other}/"):
            raise ParamsError(f"{place}: the name conflicts with the branch {other!r}. {CURE}")
    if branch in _in_use(folder):
        raise ParamsError(
            f"{place}: it is the origin's default branch, or is checked out there. {CURE}"
        )
    seen = heads.get(branch, "")
    if seen and not _is_own(folder, branch, seen, commit):
        raise ParamsError(
            f"{place}: in the origin it is at {seen[:10]} and holds commits that no run of the pipeline made. {CURE}"
        )
    lease = Lease(branch, seen)
    _push(folder, lease, commit, "--dry-run")
    return lease


def push_lock(clone: Clone, lease: Lease) -> str:
    """Commit `dvc.lock` on top of HEAD, push the commit as the branch and return its hash.

    Raises:
        DataError: Someone moved the branch meanwhile, or the push failed; the message says where the commit is.
    """
    message = f"Record a run of the pipeline in dvc.lock\n\n{TRAILER}: {lease.branch}\n"
    commit = commit_files(clone.folder, [LOCK_FILE], message)
    try:
        _push(clone.folder, lease, commit)
    except DataError as error:
        raise DataError(_kept(clone.folder, lease, commit, str(error))) from error
    return commit


def _kept(folder: Path, lease: Lease, commit: str, reason: str) -> str:
    """Push the commit of a run to a branch under `LOCKS`, and return a message that names that branch."""
    now = try_git(folder, "ls-remote", "--heads", "origin", f"{HEADS}{lease.branch}")
    place = f"branch {lease.branch!r}"
    if now is not None and now.partition("\t")[0] != lease.seen:
        reason = f"{place}: somebody pushed to it during the run, so the run did not change it"
    other = Lease(f"{LOCKS}/{commit[:12]}", "")
    try:
        _push(folder, other, commit)
    except DataError as error:
        return (
            f"{reason}. The commit {commit} could not be pushed to another branch either: {error}. It is in {folder}, "
            "and its dvc.lock is on the page of the run."
        )
    return (
        f"{reason}. Nothing is lost: the dvc.lock of the run is in commit {commit} of the branch {other.branch}. "
        f"Fetch it: git fetch origin {other.branch}"
    )


def _push(folder: Path, lease: Lease, commit: str, *options: str) -> None:
    target = f"{HEADS}{lease.branch}"
    arguments = (
        "push",
        "--quiet",
        "--no-verify",
        f"--force-with-lease={target}:{lease.seen}",
        *options,
    )
    done = run_git(folder, *arguments, "--", "origin", f"{commit}:{target}")
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        reasons = [line for line in lines if re.match(r"!|remote: |fatal|error", line)] or lines
        raise DataError(f"branch {lease.branch!r}: the push failed: {'; '.join(reasons[:3])}")


def _heads(folder: Path) -> dict[str, str]:
    """Return the present branches of the origin with their commits."""
    listed = git(folder, "ls-remote", "--heads", "origin").splitlines()
    pairs = (line.split("\t", 1) for line in listed)
    return {name.removeprefix(HEADS): commit for commit, name in pairs}


def _in_use(folder: Path) -> set[str]:
    """Return the default branch of the origin and, if the origin is a local folder, its checked-out branches."""
    answer = try_git(folder, "ls-remote", "--symref", "origin", "HEAD") or ""
    found = set(re.findall(rf"^ref: {HEADS}(\S+)\tHEAD$", answer, re.M))
    origin = Path((try_git(folder, "config", "remote.origin.url") or "").removeprefix("file://"))
    if origin.is_dir():
        listed = try_git(origin, "worktree", "list", "--porcelain") or ""
        found |= set(re.findall(rf"^branch {HEADS}(\S+)$", listed, re.M))
    return found


def _is_own(folder: Path, branch: str, seen: str, commit: str) -> bool:
    """Tell whether a branch holds a run of the pipeline, and a push would lose only such runs.

    The tip names the branch, and a run made every commit that would no longer be on a branch.
    """
    heads = f"+{HEADS}*:refs/remotes/origin/*"
    git(folder, "fetch", "--quiet", "--prune", "--force", "origin", heads)
    show = ("show", "--no-patch", f"--format=%(trailers:key={TRAILER},valueonly)", seen)
    if (try_git(folder, *show) or "").strip() != branch:
        return False
    own = f"--exclude=refs/remotes/origin/{branch}"
    others = [own, "--glob=refs/remotes/origin/*", "--tags", commit]
    lost = git(folder, "log", "--format=%cn <%ce>", seen, "--not", *others).splitlines()
    return set(lost) <= {f"{AUTHOR['NAME']} <{AUTHOR['EMAIL']}>"}
