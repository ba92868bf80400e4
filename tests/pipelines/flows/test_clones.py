"""Clones that persist: one holder each, at one commit, with overrides as the same commit everywhere."""

import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from ocrnet.errors import DataError, ParamsError
from pipelines._repository.clones import LOCK_FILE, Clone, check_out, hold_clone, resolve_revision
from pipelines._repository.git import git

from .toy import Toy, make_toy

pytestmark = pytest.mark.tools


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return make_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, toy: Toy) -> None:
    for name in ("GIT_CONFIG_GLOBAL", "HOME", "DVC_SITE_CACHE_DIR"):
        monkeypatch.setenv(name, toy.environment[name])


def at(clone: Clone) -> str:
    return git(clone.folder, "rev-parse", "HEAD")


def test_two_holders_have_two_clones_and_a_third_takes_one_that_is_free(
    toy: Toy, tmp_path: Path
) -> None:
    with hold_clone(str(toy.origin), root=tmp_path) as first:
        with hold_clone(str(toy.origin), root=tmp_path) as second:
            assert first.folder != second.folder
        with hold_clone(str(toy.origin), root=tmp_path) as third:
            assert third.folder == second.folder


def test_a_process_that_outlives_the_holder_keeps_the_clone(toy: Toy, tmp_path: Path) -> None:
    """A flow that was killed may leave a stage in the clone for a moment: no other run may enter."""
    with hold_clone(str(toy.origin), root=tmp_path) as first:
        left = subprocess.Popen(["sleep", "60"], pass_fds=[first.lock.fileno()])
    try:
        with hold_clone(str(toy.origin), root=tmp_path) as second:
            assert second.folder != first.folder
    finally:
        left.kill()
        left.wait()
    with hold_clone(str(toy.origin), root=tmp_path) as third:
        assert third.folder == first.folder


def test_overrides_are_the_same_commit_in_every_clone_and_change_only_their_keys(
    toy: Toy, tmp_path: Path
) -> None:
    made = []
    for name in ("one", "two"):
        with hold_clone(str(toy.origin), root=tmp_path / name) as clone:
            commit = resolve_revision(clone, "main")
            made.append(check_out(clone, commit, {"train.nap": 0.25, "seeds": [4]}))
            assert at(clone) == made[-1]
            text = (clone.folder / "params.yaml").read_text()
            assert git(clone.folder, "diff", "--name-only", commit, "HEAD") == "params.yaml"
    assert made[0] == made[1] != commit
    assert text.startswith("# seeds of the cells\n"), "comments are kept"
    assert YAML(typ="safe").load(text) == {
        "seeds": [4], "train": {"steps": 2, "nap": 0.25}, "checkpoints": {"store": ""},
    }  # fmt: skip


def test_other_overrides_are_another_commit_and_none_is_the_one_asked_for(
    toy: Toy, tmp_path: Path
) -> None:
    with hold_clone(str(toy.origin), root=tmp_path) as clone:
        commit = resolve_revision(clone, "main")
        found = [check_out(clone, commit, {"train.nap": nap}) for nap in (0.1, 0.2, 0.1)]
        assert found[0] == found[2] != found[1]
        assert check_out(clone, commit, {}) == commit == at(clone)


def test_an_override_of_a_key_that_is_not_there_is_told_in_one_line(
    toy: Toy, tmp_path: Path
) -> None:
    with hold_clone(str(toy.origin), root=tmp_path) as clone:
        commit = resolve_revision(clone, "main")
        with pytest.raises(
            ParamsError, match=r"^overrides: train\.speed: params.yaml has no such key"
        ) as caught:
            check_out(clone, commit, {"train.nap": 9, "train.speed": 1})
        assert "\n" not in str(caught.value)
        assert "nap: 9" not in (clone.folder / "params.yaml").read_text(), "nothing is written then"


def test_what_a_run_left_does_not_reach_the_next_but_data_and_checkpoints_stay(
    toy: Toy, tmp_path: Path
) -> None:
    with hold_clone(str(toy.origin), root=tmp_path) as clone:
        commit = resolve_revision(clone, "main")
        check_out(clone, commit, {"train.nap": 7})
        for name in (
            ".state/checkpoints/a",
            "data/train/0",
            "left.py",
            LOCK_FILE,
            "job.py",
            ".dvc/tmp/rwlock",
        ):
            (clone.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (clone.folder / name).write_text("of another run")
    with hold_clone(str(toy.origin), root=tmp_path) as clone:
        check_out(clone, commit, {})
        left = [
            path.relative_to(clone.folder).as_posix()
            for path in clone.folder.rglob("*")
            if path.is_file()
            and ".git" not in path.parts
            and path.read_bytes() == b"of another run"
        ]
        assert sorted(left) == [".state/checkpoints/a", "data/train/0"]


def test_a_commit_that_was_never_pushed_is_refused_even_where_the_clone_has_it(
    toy: Toy, tmp_path: Path
) -> None:
    with hold_clone(str(toy.origin), root=tmp_path) as clone:
        commit = resolve_revision(clone, "main")
        own = check_out(clone, commit, {"train.nap": 3})
        for revision in (own, "0" * 40, "no-such-branch"):
            with pytest.raises(ParamsError, match="Push it first") as caught:
                resolve_revision(clone, revision)
            assert "\n" not in str(caught.value)


def test_branches_tags_and_commits_are_found_after_they_were_pushed(
    toy: Toy, tmp_path: Path
) -> None:
    with hold_clone(str(toy.origin), root=tmp_path) as clone:
        first = resolve_revision(clone, "main")
        second = toy.publish("feature/x", "stages: {}\n")
        toy.run("git", "tag", "v1", first)
        toy.run("git", "push", "-q", "origin", "v1")
        assert resolve_revision(clone, "feature/x") == second
        assert resolve_revision(clone, "v1") == first
        assert resolve_revision(clone, second[:10]) == second
    with hold_clone(str(toy.origin), root=tmp_path) as clone:
        toy.run("git", "commit", "-q", "--amend", "--allow-empty", "-m", "forced")
        toy.run("git", "push", "-q", "--force", "origin", "feature/x")
        assert resolve_revision(clone, "feature/x") == toy.run("git", "rev-parse", "HEAD").strip()


def test_an_origin_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    with (
        pytest.raises(DataError, match=r"^git clone in .*: fatal: ") as caught,
        hold_clone(str(tmp_path / "nowhere"), root=tmp_path / "clones"),
    ):
        pass
    assert "\n" not in str(caught.value)
