"""The Makefile: what its set-up may delete, and what it takes for a git repository.

Python is a script that makes an environment of its own kind, so nothing is downloaded.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAUNCHER = Path("pipelines/cli/launcher.sh")  # becomes the command ocrnet
# Makes an environment as `-m venv --clear` does, whose python notes what it was asked to do.
STUB = """#!/bin/bash
case "$*" in
  "-c import sys"*) exit 0 ;;
  "-m venv --clear "*)
    find "$4/" -mindepth 1 -delete 2>/dev/null
    [ -n "$BROKEN_OFF" ] && exit 1
    mkdir -p "$4/bin" && printf '#!/bin/bash\\necho "$*" >> "$LOG"\\n' > "$4/bin/python" && chmod +x "$4/bin/python" ;;
esac
"""


class Checkout:
    """A folder with the Makefile alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        shutil.copy(ROOT / "Makefile", folder)
        (folder / LAUNCHER).parent.mkdir(parents=True)
        shutil.copy(ROOT / LAUNCHER, folder / LAUNCHER)
        (folder / "requirements.lock").write_text("torch==1\n")
        stub = folder / "stub"
        stub.write_text(STUB)
        stub.chmod(0o755)

    @property
    def venv(self) -> Path:
        """Where the environment lies."""
        return self.folder / ".venv"

    @property
    def asked(self) -> str:
        """What the environment's python was asked to do."""
        log = self.folder / "log"
        return log.read_text() if log.exists() else ""

    def make(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run make."""
        return subprocess.run(
            ["make", f"PYTHON={self.folder}/stub", *arguments], cwd=self.folder, capture_output=True, text=True,
            check=False, env={
                **os.environ, "LOG": str(self.folder / "log"), "GIT_CEILING_DIRECTORIES": str(self.folder.parent),
                **variables,
            },
        )  # fmt: skip


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "checkout")


def foreign(folder: Path, *names: str) -> Path:
    """Make an environment that is not of this checkout."""
    (folder / "bin").mkdir(parents=True)
    for name in ("bin/python", *names):
        (folder / name).write_text("not yours")
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {str(path): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("names", [(), (".ready",), (".ready", ".lock")])
def test_set_up_never_empties_what_a_link_points_to(
    checkout: Checkout, tmp_path: Path, names: tuple[str, ...]
) -> None:
    other = foreign(tmp_path / "other", *names)
    for path in other.rglob("*"):
        os.utime(path, (0, 0))
    before = contents(other)
    checkout.venv.symlink_to(other)
    done = checkout.make("setup")
    assert done.returncode == 2
    assert str(other) in done.stderr
    assert "rm .venv" in done.stderr
    assert contents(other) == before


def test_a_link_to_an_environment_of_the_same_lock_will_do(
    checkout: Checkout, tmp_path: Path
) -> None:
    first = Checkout(tmp_path / "first")
    assert first.make("setup").returncode == 0
    os.utime(first.venv / ".ready", (0, 0))
    before = contents(first.venv)
    checkout.venv.symlink_to(first.venv)
    assert checkout.make("setup").returncode == 0
    assert contents(first.venv) == before


def test_set_up_never_empties_a_folder_that_it_did_not_make(checkout: Checkout) -> None:
    before = contents(foreign(checkout.venv, "pyvenv.cfg"))
    done = checkout.make("setup")
    assert done.returncode == 2
    assert ".venv" in done.stderr
    assert contents(checkout.venv) == before


def test_set_up_is_made_once_and_again_when_the_lock_changes(checkout: Checkout) -> None:
    for lock in ("torch==1\n", "torch==2\n"):
        (checkout.folder / "requirements.lock").write_text(lock)
        os.utime(checkout.folder / "requirements.lock", (2e9, 2e9))
        (checkout.folder / "log").unlink(missing_ok=True)
        assert checkout.make("setup").returncode == 0
        assert "uv pip sync" in checkout.asked
        (checkout.folder / "log").unlink()
        assert checkout.make("setup").returncode == 0
        assert "uv pip sync" not in checkout.asked


def test_set_up_installs_the_command_and_brings_it_up_to_date(checkout: Checkout) -> None:
    script = checkout.venv / "bin" / "ocrnet"
    for lock in ("torch==1\n", "torch==2\n"):  # the second set-up empties the environment first
        (checkout.folder / "requirements.lock").write_text(lock)
        os.utime(checkout.folder / "requirements.lock", (2e9, 2e9))
        assert checkout.make("setup").returncode == 0
        done = subprocess.run([script, "init", "x"], cwd=checkout.folder, check=True, env={
            **os.environ, "LOG": str(checkout.folder / "log"),
        })  # fmt: skip
        assert done.returncode == 0
        assert checkout.asked.splitlines()[-1] == "-m pipelines.cli init x"


def test_an_environment_of_before_and_one_that_was_broken_off_are_made_again(
    checkout: Checkout,
) -> None:
    foreign(checkout.venv, ".ready")
    os.utime(checkout.venv / ".ready", (0, 0))
    assert checkout.make("setup", BROKEN_OFF="1").returncode != 0
    assert not (checkout.venv / ".ready").exists()
    assert checkout.make("setup").returncode == 0
    assert "uv pip sync" in checkout.asked


def test_a_moved_checkout_is_told_and_runs_nothing_by_a_script_of_the_old_place(
    checkout: Checkout, tmp_path: Path
) -> None:
    assert checkout.make("setup").returncode == 0
    moved = tmp_path / "moved"
    checkout.folder.rename(moved)
    checkout.folder = moved
    subprocess.run(["git", "init", "-q", str(moved)], check=True)
    done = checkout.make("repro")
    assert done.returncode == 0, done.stderr
    assert "moved" in done.stderr
    assert "-m pipelines.repro" in checkout.asked


@pytest.mark.parametrize("kind", ["worktree", "submodule"])
def test_a_repository_whose_git_is_a_file_is_one(
    checkout: Checkout, tmp_path: Path, kind: str
) -> None:
    origin = tmp_path / "origin"
    shutil.copytree(checkout.folder, origin)
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always"]

    def git(folder: Path, *arguments: str) -> None:
        subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)

    for folder in (origin, checkout.folder):
        git(folder, "init", "-q")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "x")
    if kind == "worktree":
        git(origin, "worktree", "add", "-q", str(tmp_path / "place"))
        checkout.folder = tmp_path / "place"
    else:
        git(checkout.folder, "submodule", "add", "-q", str(origin), "place")
        checkout.folder /= "place"
    assert (checkout.folder / ".git").is_file()
    done = checkout.make("repro")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "-m pipelines.repro" in checkout.asked


def test_outside_of_git_the_pipeline_does_not_start_and_gits_own_words_are_told(
    checkout: Checkout,
) -> None:
    done = checkout.make("repro")
    assert done.returncode == 2
    assert "not a git repository" in done.stderr
    assert "pipelines.repro" not in checkout.asked
