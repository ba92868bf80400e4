"""Record the commit at which a stage ran: `publish` may run at a later one.

It is in a side file: the output must not change with a commit that changes no input of the stage.
"""

import json
import logging
import os
import subprocess
from pathlib import Path

BASE_VARIABLE = "OCRNET_BASE_COMMIT"  # what a flow was asked to run, before overrides of params
COMMITS = Path(".state", "commits")
NO_COMMIT = "none"  # the tag git.sha where git names none
REFUSAL_TAG = "git.refusal"
TIMEOUT_S = 20

logger = logging.getLogger(__name__)


def git_tags() -> dict[str, str]:
    """Return the commit, and whether anything but `dvc.lock` differs from it (`dvc.lock_md5` names that).

    Where git gives no commit, `git.refusal` and a warning hold its message: a version made from this cannot be rebuilt.
    """
    try:
        sha = _git("rev-parse", "--verify", "HEAD")
    except GitRefusalError as refusal:
        logger.warning(
            "git names no commit, so what runs here cannot be traced or rebuilt: %s", refusal
        )
        return {"git.sha": NO_COMMIT, "git.dirty": "true", REFUSAL_TAG: str(refusal)}
    try:
        changed = _git("status", "--porcelain", "--", ".", ":(exclude)dvc.lock")
    except GitRefusalError as refusal:
        logger.warning(
            "git does not say what differs from the commit, so it counts as changed: %s", refusal
        )
        changed = str(refusal)
    tags = {"git.sha": sha, "git.dirty": str(changed != "").lower()}
    if (base := os.environ.get(BASE_VARIABLE)) and base != sha:
        # A flow's commit on top changes only params and exists only in its clone: the run keeps params.yaml itself.
        tags |= {"git.sha": base, "git.run_sha": sha}
    return tags


def note_commit(stage: str, fingerprint: str) -> None:
    """Write down the commit at which a stage runs."""
    COMMITS.mkdir(parents=True, exist_ok=True)
    note = {"fingerprint": fingerprint, "tags": {**git_tags(), "git.at": "run"}}
    (COMMITS / f"{stage}.json").write_text(json.dumps(note, indent=1) + "\n")


def commit_tags(stage: str, fingerprint: str, *, now: dict[str, str]) -> dict[str, str]:
    """Return the tags of the commit at which a stage ran, or of the present one if another machine ran it."""
    path = COMMITS / f"{stage}.json"
    if path.exists():
        note = json.loads(path.read_text())
        if note["fingerprint"] == fingerprint:
            tags: dict[str, str] = note["tags"]
            return tags
    return {**now, "git.at": "publish"}


class GitRefusalError(Exception):
    """Git failed or did not answer; the message is git's own."""


def _git(*arguments: str) -> str:
    """Return what git prints.

    Raises:
        GitRefusalError: git ends with an error, is missing or takes too long.
    """
    try:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S, check=True
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        words = " ".join(error.stderr.split())
        raise GitRefusalError(words or f"git ended with {error.returncode}") from None
    except subprocess.TimeoutExpired:
        raise GitRefusalError(f"git gave no answer within {TIMEOUT_S} s") from None
    except OSError as error:
        raise GitRefusalError(f"git cannot be started ({error.strerror})") from None
    return done.stdout.strip()
