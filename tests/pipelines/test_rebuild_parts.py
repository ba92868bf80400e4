"""The parts of `rebuild`: scores compared, and settings of DVC carried over to the scratch clone."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ocrnet.errors import RebuildError
from pipelines._mlflow.origin import Origin, Provenance
from pipelines._rebuild.clone import find_repository
from pipelines._rebuild.comparison import compare_scores, read_scores
from pipelines._rebuild.config import carry_over
from pipelines._rebuild.stages import needed_stages
from pipelines.rebuild import check_out_version
from tests.ocrnet.evaluation.evaluated import NAMES, params_of, run, write_world
from tests.ocrnet.evaluation.things import add_things


def test_scores_are_compared_by_name_and_within_the_tolerance() -> None:
    wanted = {"a": 0.5, "b": 0.5, "c": None, "d": 0.1}
    found = {"a": 0.5, "b": 0.52, "c": None, "e": 0.1}
    rows = compare_scores(wanted, found, tolerance=0.01)
    assert {row.name: row.is_equal for row in rows} == {
        "a": True, "b": False, "c": True, "d": False, "e": False,
    }  # fmt: skip


@pytest.mark.parametrize("metric", ["miou", "pq"])
def test_the_scores_of_a_model_are_the_same_where_another_one_became_challenger(
    metric: str, tmp_path: Path
) -> None:
    """Scores of objects too, and those of the validation images where they choose: a rerun may name another model."""
    write_world(tmp_path)
    add_things(tmp_path / "prepare")
    data = {"source": "demo", "path": "x", "classes": list(NAMES), "things": ["dent", "rust"]}
    evaluate = {"metric": metric, "bootstrap": 100, "worst": 1, "min_object_area": 6}
    run(tmp_path, params_of(evaluate=evaluate, data=data))
    folder = tmp_path / "evaluate"
    challenger = json.loads((folder / "challenger.json").read_text())
    registered = read_scores(folder, challenger["stage"])
    assert registered == challenger["metrics"]
    assert {"val/PQ" in registered, "val/AP50" in registered} == {metric == "pq"}
    assert registered["test/AP50"] is not None
    (folder / "challenger.json").write_text(json.dumps({"stage": "train@7", "metrics": {}}))
    rows = compare_scores(registered, read_scores(folder, challenger["stage"]), tolerance=0.0)
    assert [row.name for row in rows if not row.is_equal] == []
    assert len(rows) == len(registered)


def test_settings_of_the_checkout_reach_the_clone_with_absolute_paths(tmp_path: Path) -> None:
    """A path in DVC's settings is relative to the file it stands in, which is another in the clone."""
    checkout, clone = tmp_path / "checkout", tmp_path / "scratch" / "clone"
    for folder in (checkout / ".dvc", clone / ".dvc"):
        folder.mkdir(parents=True)
    (checkout / ".dvc/config").write_text(
        "[core]\n    remote = near\n['remote \"near\"']\n    url = ../../near\n"
        "['remote \"far\"']\n    url = s3://bucket/a%20b\n"
    )
    (checkout / ".dvc/config.local").write_text(
        "[cache]\n    dir = ../../shared\n['remote \"far\"']\n    secret_access_key = s\n"
    )
    carry_over(checkout, clone)
    listed = subprocess.run(
        [sys.executable, "-m", "dvc", "config", "--list", "--local"],
        cwd=make_repository(clone), capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert set(listed.split()) == {
        "core.remote=near", f"remote.near.url={tmp_path}/near", "remote.far.url=s3://bucket/a%20b",
        "remote.far.secret_access_key=s", f"cache.dir={tmp_path}/shared",
    }  # fmt: skip
    assert (clone / ".dvc/config.local").stat().st_mode & 0o077 == 0


def make_repository(folder: Path) -> Path:
    (folder / ".dvc" / "config").touch()
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return folder


@pytest.mark.tools
@pytest.mark.parametrize("kind", ["own cache", "shared cache"])
def test_a_single_machine_without_a_remote_gives_its_cache(tmp_path: Path, kind: str) -> None:
    environment = {
        **os.environ,
        "DVC_SITE_CACHE_DIR": str(tmp_path / "site"),
        "DVC_NO_ANALYTICS": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
    }

    def dvc(folder: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "dvc", *arguments]
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)

    checkout, clone = tmp_path / "checkout", tmp_path / "scratch" / "clone"
    for folder in (checkout, clone):
        folder.mkdir(parents=True)
        subprocess.run(["git", "init", "-q", str(folder)], check=True)
        dvc(folder, "init")
        (folder / "dvc.yaml").write_text("stages: {a: {cmd: echo 1 > one, outs: [one]}}")
    if kind == "shared cache":
        dvc(checkout, "cache", "dir", "--local", str(tmp_path / "shared"))
    dvc(checkout, "repro")
    (clone / "dvc.lock").write_bytes((checkout / "dvc.lock").read_bytes())
    carry_over(checkout, clone)
    dvc(clone, "pull" if kind == "own cache" else "checkout", "a")
    assert (clone / "one").read_text() == "1\n"


def test_a_rerun_fetches_what_its_stages_read_and_no_sibling() -> None:
    """`evaluate` reads the folder above the outputs of all seeds; `train_gan` only begins with the same letters."""

    def entry(out: str, *deps: str) -> dict[str, object]:
        return {"outs": [{"path": out}], "deps": [{"path": dep} for dep in deps]}

    entries = {
        "prepare": entry("data/prepare", "data/raw"),
        "train@0": entry("data/train/0", "data/prepare", "ocrnet/training/train.py"),
        "train@1": entry("data/train/1", "data/prepare"),
        "train_gan": entry("data/train_gan", "data/prepare"),
        "evaluate": entry("data/evaluate", "data/train", "data/prepare"),
        "publish": entry("sent", "data/evaluate"),
    }
    assert needed_stages(entries, ("train@0", "evaluate")) == {"prepare", "train@1"}


def test_a_version_without_a_commit_says_why_it_has_none(tmp_path: Path) -> None:
    words = "fatal: detected dubious ownership in repository at '/mnt'"
    tags = {"git.sha": "none", "git.refusal": words, "stage": "train@0"}
    origin = Origin("m", "1", tags, Provenance("r", b"", b""), {})
    with pytest.raises(RebuildError, match=re.escape(words)):
        check_out_version(origin, tmp_path / "clone", str(tmp_path))
    assert not (tmp_path / "clone").exists()


def test_a_checkout_that_git_refuses_is_told_in_the_words_of_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own switch for its tests
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    with pytest.raises(RebuildError, match="dubious ownership"):
        find_repository(tmp_path)
