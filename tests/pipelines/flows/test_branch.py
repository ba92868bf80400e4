"""The branch that gets the dvc.lock of a run: never one that holds what others pushed."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocrnet.errors import DataError, ParamsError
from pipelines._repository.clones import LOCK_FILE, Clone, check_out, hold_clone, resolve_revision
from pipelines._repository.git import git
from pipelines._repository.result_branch import LOCKS, check_branch, push_lock

from .toy import Toy, make_toy

pytestmark = pytest.mark.tools


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return make_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, toy: Toy) -> None:
    for name in ("GIT_CONFIG_GLOBAL", "HOME", "DVC_SITE_CACHE_DIR"):
        monkeypatch.setenv(name, toy.environment[name])


@pytest.fixture
def clone(toy: Toy, tmp_path: Path) -> Iterator[Clone]:
    with hold_clone(str(toy.origin), root=tmp_path / "clones") as clone:
        yield clone


def start(clone: Clone, nap: int = 3) -> str:
    """Check out main as a run does and return the commit that it is of."""
    commit = resolve_revision(clone, "main")
    check_out(clone, commit, {"train.nap": nap})
    return commit


def end(clone: Clone, text: str = "schema: '2.0'\n") -> None:
    (clone.folder / LOCK_FILE).write_text(text)


def tip(toy: Toy, branch: str) -> str:
    return toy.run("git", "rev-parse", f"refs/heads/{branch}", cwd=toy.origin).strip()


def push_work(toy: Toy, branch: str) -> str:
    """Push a colleague's commit on top of a branch, or of main where it is not there."""
    name = f"colleague-{branch.replace('/', '-')}-{time.monotonic_ns()}"
    folder = toy.clone(name)
    toy.attempt("git", "checkout", "-q", branch, cwd=folder)
    (folder / f"{name}.txt").write_text("work")
    toy.run("git", "add", "-A", cwd=folder)
    toy.run("git", "commit", "-q", "-m", "colleague work", cwd=folder)
    toy.run("git", "push", "-q", "origin", f"HEAD:refs/heads/{branch}", cwd=folder)
    return toy.run("git", "rev-parse", "HEAD", cwd=folder).strip()


def test_the_lock_goes_to_a_new_branch_as_one_commit_on_top(toy: Toy, clone: Clone) -> None:
    commit = start(clone)
    made = git(clone.folder, "rev-parse", "HEAD")
    lease = check_branch(clone, "locks/a", commit)
    with pytest.raises(AssertionError):
        tip(toy, "locks/a")  # to look at it makes nothing
    end(clone)
    pushed = push_lock(clone, lease)
    assert resolve_revision(clone, "locks/a") == pushed == tip(toy, "locks/a")
    assert git(clone.folder, "rev-list", f"{commit}..{pushed}").split() == [pushed, made]
    assert git(clone.folder, "show", f"{pushed}:{LOCK_FILE}") == "schema: '2.0'"
    assert tip(toy, "main") == commit


def test_a_later_run_takes_the_branch_of_an_earlier_one(toy: Toy, clone: Clone) -> None:
    for nap in (3, 4):
        commit = start(clone, nap)
        lease = check_branch(clone, "runs/nightly", commit)
        end(clone, f"schema: '2.0' # {nap}\n")
        assert push_lock(clone, lease) == tip(toy, "runs/nightly")
        toy.publish("main", (toy.checkout / "dvc.yaml").read_text())


@pytest.mark.parametrize("branch", ["main", "work"])
def test_a_branch_of_others_is_refused_before_the_first_stage(
    toy: Toy, clone: Clone, branch: str
) -> None:
    theirs = push_work(toy, branch)
    commit = start(clone)
    with pytest.raises(ParamsError, match=f"branch '{branch}'.* Give `branch` another name"):
        check_branch(clone, branch, commit)
    assert tip(toy, branch) == theirs


def test_a_branch_on_which_others_went_on_is_theirs(toy: Toy, clone: Clone) -> None:
    commit = start(clone)
    end(clone)
    push_lock(clone, check_branch(clone, "runs/on", commit))
    push_work(toy, "runs/on")
    with pytest.raises(ParamsError, match="commits that no run of the pipeline made"):
        check_branch(clone, "runs/on", commit)


def test_a_branch_that_alone_holds_the_work_it_was_run_on_is_kept(toy: Toy, clone: Clone) -> None:
    """A run of a feature branch that was deleted since: its commits are on the run's branch alone."""
    push_work(toy, "feature")
    commit = resolve_revision(clone, "feature")
    check_out(clone, commit, {})
    end(clone)
    push_lock(clone, check_branch(clone, "runs/alone", commit))
    toy.run("git", "push", "-q", "origin", ":refs/heads/feature")
    again = start(clone)
    with pytest.raises(ParamsError, match="commits that no run of the pipeline made"):
        check_branch(clone, "runs/alone", again)


@pytest.mark.parametrize("before", [False, True])
def test_a_push_in_the_middle_of_a_run_loses_neither(toy: Toy, clone: Clone, before: bool) -> None:
    branch = f"runs/middle-{before}"
    commit = start(clone, 5 + before)
    if before:
        end(clone, "schema: '2.0' # an earlier run\n")
        push_lock(clone, check_branch(clone, branch, commit))
        commit = start(clone, 8)
    lease = check_branch(clone, branch, commit)
    theirs = push_work(toy, branch)
    end(clone)
    with pytest.raises(DataError, match="somebody pushed to it during the run") as caught:
        push_lock(clone, lease)
    assert tip(toy, branch) == theirs
    made = git(clone.folder, "rev-parse", "HEAD")
    assert made in str(caught.value)
    assert f"git fetch origin {LOCKS}/{made[:12]}" in str(caught.value)
    assert toy.run("git", "show", f"{made}:{LOCK_FILE}", cwd=toy.origin) == "schema: '2.0'\n"
    assert resolve_revision(clone, f"{LOCKS}/{made[:12]}") == made


def test_a_branch_that_was_deleted_meanwhile_is_told_and_the_lock_is_kept(
    toy: Toy, clone: Clone
) -> None:
    commit = start(clone)
    end(clone)
    push_lock(clone, check_branch(clone, "runs/deleted", commit))
    lease = check_branch(clone, "runs/deleted", start(clone, 4))
    toy.run("git", "update-ref", "-d", "refs/heads/runs/deleted", cwd=toy.origin)
    end(clone)
    with pytest.raises(DataError, match=LOCKS):
        push_lock(clone, lease)


def test_what_is_checked_out_of_a_checkout_is_left_alone(toy: Toy, tmp_path: Path) -> None:
    """Where the origin is a person's checkout: its branch, and that of a worktree of it."""
    toy.run("git", "worktree", "add", "-q", "-b", "aside", str(tmp_path / "aside"))
    with hold_clone(str(toy.checkout), root=tmp_path / "clones") as clone:
        commit = start(clone)
        for branch in ("main", "aside"):
            with pytest.raises(ParamsError, match="checked out there"):
                check_branch(clone, branch, commit)
        end(clone)
        assert push_lock(clone, check_branch(clone, "runs/out", commit))


BAD = (
    "x; touch y", "-d", "--force", "a..b", "HEAD", "@", "@{-1}", "refs/heads/main", "a b", "x.lock", "/x", "x/", "a~1",
    "a:b", "\x00", "a\nb", "f" * 40, "..", "a" * 300,
)  # fmt: skip


def test_a_bad_name_is_told_in_one_line_before_the_first_stage(toy: Toy, clone: Clone) -> None:
    commit = start(clone)
    for branch in BAD:
        with pytest.raises(ParamsError, match="check-ref-format") as caught:
            check_branch(clone, branch, commit)
        assert "\n" not in str(caught.value)


def test_a_branch_that_git_cannot_have_beside_another_is_refused(toy: Toy, clone: Clone) -> None:
    push_work(toy, "beside")
    with pytest.raises(ParamsError, match="conflicts with the branch 'beside'"):
        check_branch(clone, "beside/today", start(clone))


def test_an_origin_that_lets_nobody_push_is_told_before_the_first_stage(
    toy: Toy, clone: Clone
) -> None:
    commit = start(clone)
    toy.run("git", "config", "remote.origin.pushurl", str(toy.root / "gone"), cwd=clone.folder)
    with pytest.raises(DataError, match=r"^branch 'runs/gone': the push failed: fatal"):
        check_branch(clone, "runs/gone", commit)
