"""The commit that a stage ran at, kept beside its output: `publish` may run at a later one.

It lies in a side file, since the output must not change with a commit that changes nothing that the stage reads.
"""

import json
import os
import subprocess
from pathlib import Path

BASE_VARIABLE = "OCRNET_BASE_COMMIT"  # what a flow was asked to run, before overrides of params
COMMITS = Path(".state", "commits")


def git_tags() -> dict[str, str]:
    """Return the commit, and whether anything but `dvc.lock` differs from it (`dvc.lock_md5` names that)."""
    sha = _git("rev-parse", "--verify", "HEAD")
    if sha is None:
        return {"git.sha": "none", "git.dirty": "true"}
    changed = _git("status", "--porcelain", "--", ".", ":(exclude)dvc.lock")
    tags = {"git.sha": sha, "git.dirty": str(changed != "").lower()}
    if (base := os.environ.get(BASE_VARIABLE)) and base != sha:
        # What a flow puts on top holds other params alone, and lies in its clone: the run keeps params.yaml itself.
        tags |= {"git.sha": base, "git.run_sha": sha}
    return tags


def note_commit(stage: str, fingerprint: str) -> None:
    """Write down the commit at which a stage runs."""
    COMMITS.mkdir(parents=True, exist_ok=True)
    note = {"fingerprint": fingerprint, "tags": {**git_tags(), "git.at": "run"}}
    (COMMITS / f"{stage}.json").write_text(json.dumps(note, indent=1) + "\n")


def commit_tags(stage: str, fingerprint: str, *, now: dict[str, str]) -> dict[str, str]:
    """Return the commit at which a stage ran, or the present one where another machine ran it."""
    path = COMMITS / f"{stage}.json"
    if path.exists():
        note = json.loads(path.read_text())
        if note["fingerprint"] == fingerprint:
            tags: dict[str, str] = note["tags"]
            return tags
    return {**now, "git.at": "publish"}


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
