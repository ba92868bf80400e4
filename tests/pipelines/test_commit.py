"""A run is traced to the commit at which it ran, not to the one at which it was sent."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pipelines._stage.commit import BASE_VARIABLE, commit_tags, git_tags, note_commit


def git(*arguments: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@t"]
    return subprocess.run(
        ["git", *who, *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    git("init", "-q")
    (tmp_path / ".gitignore").write_text(".state/\n")
    (tmp_path / "code.py").write_text("one")
    git("add", "-A")
    git("commit", "-qm", "one")
    return tmp_path


def test_the_commit_of_the_run_stays_when_the_next_one_is_made(repository: Path) -> None:
    ran_at = git("rev-parse", "HEAD")
    note_commit("train@0", "f1")
    (repository / "code.py").write_text("two")
    git("commit", "-qam", "two")
    assert commit_tags("train@0", "f1", now=git_tags()) == {
        "git.sha": ran_at, "git.dirty": "false", "git.at": "run",
    }  # fmt: skip


def test_a_stage_that_ran_elsewhere_has_the_commit_at_which_it_was_sent() -> None:
    note_commit("train@0", "f1")
    for stage, fingerprint in (("train@0", "f2"), ("train@1", "f1")):
        tags = commit_tags(stage, fingerprint, now=git_tags())
        assert tags == {
            "git.sha": git("rev-parse", "HEAD"),
            "git.dirty": "false",
            "git.at": "publish",
        }


def test_what_a_flow_puts_on_top_is_traced_to_the_commit_that_was_asked_for(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = git("rev-parse", "HEAD")
    monkeypatch.setenv(BASE_VARIABLE, asked)
    assert "git.run_sha" not in git_tags()  # nothing on top
    (repository / "code.py").write_text("overrides")
    git("commit", "-qam", "overrides")
    tags = git_tags()
    assert (tags["git.sha"], tags["git.run_sha"]) == (asked, git("rev-parse", "HEAD"))


def test_a_change_of_dvc_lock_alone_is_not_dirty(repository: Path) -> None:
    (repository / "dvc.lock").write_text("x")
    assert git_tags()["git.dirty"] == "false"
    (repository / "code.py").write_text("three")
    assert git_tags()["git.dirty"] == "true"


def test_the_words_of_a_git_that_refuses_reach_the_log_and_the_tags(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As in a container that mounts the repository of another user."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own switch for its tests
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    note_commit("train@0", "f1")
    (told,) = caplog.messages
    assert "dubious ownership" in told
    assert "\n" not in told
    tags = commit_tags("train@0", "f1", now={})
    assert (tags["git.sha"], tags["git.dirty"]) == ("none", "true")
    assert "dubious ownership" in tags["git.refusal"]


@pytest.mark.parametrize(
    ("script", "words"),
    [("", "cannot be started"), ("exec sleep 60", "no answer within"), ("exit 3", "ended with 3")],
)
def test_a_git_that_is_not_there_or_never_answers_is_told(
    script: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    sleep = Path(shutil.which("sleep") or "").parent
    if script:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "git").write_text(f"#!/bin/sh\nPATH={sleep}\n{script}\n")
        (tmp_path / "bin" / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr("pipelines._stage.commit.TIMEOUT_S", 0.5)
    assert git_tags()["git.sha"] == "none"
    assert words in caplog.text
