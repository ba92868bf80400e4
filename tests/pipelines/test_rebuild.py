"""`rebuild` with the real tools: a version is made again from its number, a bare origin, a remote and MLflow alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines import rebuild

from .published_version import (
    MODEL,
    ROOT,
    SMALLER,
    Published,
    commit_all,
    listing,
    make_experiment,
    sha256_of,
    weights_in,
)
from .store import copy_empty_store
from .test_repro import Workspace

pytestmark = [pytest.mark.tools, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """A pipeline that ran, was published and pushed, and whose checkout is gone."""
    published = Published(tmp_path_factory.mktemp("rebuild"))
    copy_empty_store(tmp_path_factory, published.folder / "store.db")
    workspace = Workspace(published.folder / "repository")
    workspace.set(SMALLER)
    workspace.env |= {"MLFLOW_TRACKING_URI": published.uri, "OMP_NUM_THREADS": "1"}
    workspace.run("git", "init", "-q", "--bare", str(published.origin))
    workspace.run("git", "remote", "add", "origin", str(published.origin))
    workspace.run("dvc", "remote", "add", "--default", "store", str(published.remote))
    commit_all(workspace)
    make_experiment(published)
    workspace.repro()
    workspace.run("dvc", "push")
    published.checkout.rename(published.hidden)
    published.workspace = workspace
    return published


@pytest.fixture
def empty(published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, and an environment that knows the store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", published.uri)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    return tmp_path


def run(published: Published, *arguments: str) -> int:
    """Run the command in this process, where mlflow is imported already."""
    return rebuild.main(["1", "--model", MODEL, "--repository", str(published.origin), *arguments])


def test_a_version_is_restored_from_its_number_alone(published: Published, empty: Path) -> None:
    before = published.dump(), listing(published.remote)
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.rebuild", "@challenger", "--model", MODEL, "--into", "clone",
         "--repository", str(published.origin)],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("The rebuilt model is equal.")
    assert sha256_of(weights_in(Path("clone"), published.tags)) == published.tags["weights_sha256"]
    challenger = json.loads(Path("clone/data/evaluate/challenger.json").read_text())
    assert challenger["metrics"] == json.loads(published.tags["metrics"])
    assert listing(empty)[0] == "clone"
    assert (published.dump(), listing(published.remote)) == before


def test_training_and_evaluating_again_gives_the_same_bits_and_touches_no_store(
    published: Published, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also with `publish.live`, by which a stage starts a process that writes to MLflow."""
    for file in published.folder.rglob("provenance/params.yaml"):  # no stage depends on this key
        file.write_text(file.read_text().replace("live: false", "live: true"))
        assert "live: true" in file.read_text()
    before = published.dump(), listing(published.remote)
    assert run(published, "--rerun", "--into", "clone") == 0
    table = capsys.readouterr().out
    assert "trained and evaluated again" in table
    assert "DIFFERENT" not in table
    stage = published.tags["stage"]
    assert Path(f"clone/.state/times/{stage}.txt").exists(), "the stage did not run"
    assert Path("clone/.state/times/evaluate.txt").exists(), "the evaluation did not run"
    assert sha256_of(weights_in(Path("clone"), published.tags)) == published.tags["weights_sha256"]
    assert not Path("clone/.state/follow").exists()
    assert not Path("clone/mlflow.db").exists()
    assert (published.dump(), listing(published.remote)) == before


def test_what_was_changed_since_is_noticed(
    published: Published, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = json.loads(published.tags["metrics"])
    off = {**metrics, "test/mIoU": metrics["test/mIoU"] + 0.005}
    with published.tag("metrics", json.dumps(off)):
        assert run(published) == rebuild.DIFFERENT
        (line,) = [ln for ln in capsys.readouterr().out.splitlines() if ln.endswith("DIFFERENT")]
        assert line.split()[0] == "test/mIoU"
        assert run(published, "--tolerance", "0.006") == 0
    with published.tag("weights_sha256", "0" * 64):
        assert run(published) == rebuild.DIFFERENT
    with published.tag("dvc.stage_key", "0" * 32):
        assert run(published) == 3
    assert "has another" in capsys.readouterr().err


def test_a_changed_params_file_is_refused(
    published: Published, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = list((published.folder / "artifacts").rglob("provenance/params.yaml"))
    before = files[0].read_text()
    for file in files:
        file.write_text(
            before.replace("steps: 3\n", "steps: 4\n").replace("steps: 3 ", "steps: 4 ")
        )
    assert files[0].read_text() != before
    assert run(published) == 3
    assert "train.steps is 4, dvc.lock says 3" in one_line(capsys)
    for file in files:
        file.write_text(before)


def test_a_commit_that_is_nowhere_is_told_in_one_line(
    published: Published, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with published.tag("git.sha", "1" * 40):
        assert run(published) == 3
    assert f"has no commit {'1' * 40}. Push it" in one_line(capsys)


def test_uncommitted_changes_are_restored_and_not_rerun(
    published: Published, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with published.tag("git.dirty", "true"):
        assert run(published) == 0
        assert "Note: made from uncommitted changes" in capsys.readouterr().out
        assert run(published, "--rerun") == 3
        assert "run the code of the commit with --anyway" in one_line(capsys)


def test_deleted_runs_are_told_in_one_line(
    published: Published, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(published.uri)
    training = published.store.run(published.tags["stage"]).id
    evaluation = published.store.run("evaluate").id
    client.delete_run(training)
    assert run(published) == 0, "the evaluation's run holds the same files"
    capsys.readouterr()
    client.delete_run(evaluation)
    assert run(published) == 3
    assert f"run {training} was deleted" in one_line(capsys)
    for run_id in (training, evaluation):
        client.restore_run(run_id)


def test_an_unknown_version_names_those_there_are(
    published: Published, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["7", "--model", MODEL, "--repository", str(published.origin)]
    assert rebuild.main(arguments) == 3
    assert "no version or alias 7. Versions: 1." in one_line(capsys)


def test_a_later_evaluation_at_a_later_commit_is_the_one_that_is_rebuilt(
    published: Published, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The version then carries scores and a dvc.lock that the run of its training never saw.

    And a commit whose code is not what trained is noticed, though DVC restores the same files there.
    """
    workspace = published.workspace
    assert workspace is not None
    published.hidden.rename(published.checkout)
    first = published.tags["git.sha"]
    workspace.set({"evaluate.bootstrap": 101})
    second = commit_all(workspace)
    workspace.run("dvc", "repro", "evaluate")
    workspace.run("python", "-m", "pipelines.publish")
    workspace.run("dvc", "push")
    with (workspace.root / "ocrnet/training/train.py").open("a") as file:
        file.write("# another line\n")
    third = commit_all(workspace)
    published.checkout.rename(published.hidden)

    assert published.tags["git.sha"] == first
    assert run(published) == 0
    told = capsys.readouterr().out
    assert f"Note: the evaluation ran at commit {second}, the training at {first}." in told
    with published.tag("git.sha", third):
        assert run(published) == rebuild.DIFFERENT
        (line,) = [ln for ln in capsys.readouterr().out.splitlines() if ln.endswith("DIFFERENT")]
        assert line.split() == [
            "code",
            "of",
            "the",
            "commit",
            "as",
            "it",
            "ran",
            "ocrnet/training",
            "DIFFERENT",
        ]
        assert run(published, "--rerun") == 3
        assert f"did not run the code of commit {third}" in one_line(capsys)


def test_objects_that_the_remote_lost_are_named(
    published: Published, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Last: the remote is damaged from here on."""
    out = published.tags["dvc.out_md5"].removesuffix(".dir")
    found = list(published.remote.rglob(f"{out[2:]}.dir"))
    assert len(found) == 1
    found[0].unlink()
    assert run(published) == 3
    line = one_line(capsys)
    assert f"data/{published.tags['stage'].replace('@', '/')}" in line
    assert "`dvc push`" in line


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """Return what was told, which is one line without a traceback."""
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("rebuild: ")
    return line
