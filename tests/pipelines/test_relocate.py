"""A checkout that is moved or copied, with its local store of MLflow: nothing is written to where it was."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocrnet.errors import StoreError
from pipelines import relocate
from pipelines._mlflow import publish
from pipelines._mlflow.address import find_address
from pipelines._mlflow.find_origin import read_origin

from .store import Store, copy_empty_store
from .workspace import Workspace

pytestmark = [pytest.mark.tools, pytest.mark.filterwarnings("ignore")]


def enter(folder: Path, patch: pytest.MonkeyPatch) -> str:
    """Work in a checkout with its own store; its address is absolute, since MLflow keeps stores open by address."""
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    patch.chdir(folder)
    patch.setenv("MLFLOW_TRACKING_URI", uri)
    return uri


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose one stage was published to its own store."""
    folder = tmp_path_factory.mktemp("first") / "checkout"
    folder.mkdir()
    copy_empty_store(tmp_path_factory, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        workspace = Workspace(folder, enter(folder, patch))
        workspace.finish_stage("validate", files={"summary.txt": "All is well."})
        assert publish.publish() == 0
    return folder


@pytest.fixture
def original(made: Path, tmp_path: Path) -> Iterator[Path]:
    """The checkout as it was made, put back afterwards."""
    shutil.copytree(made, tmp_path / "kept")
    yield made
    shutil.rmtree(made, ignore_errors=True)
    shutil.move(tmp_path / "kept", made)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def summary_of(folder: Path) -> str:
    """Return an artifact of the published run, by the place that the store names."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient

    run = Store(folder / "mlflow.db").run("validate")
    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    return Path(client.download_artifacts(run.id, "summary.txt")).read_text()


def test_a_moved_checkout_is_told_and_does_not_make_the_old_place_again(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = tmp_path / "moved"
    shutil.move(original, moved)
    enter(moved, monkeypatch)
    (moved / ".state/published.json").unlink()
    for act in (publish.publish, lambda: read_origin(find_address(), "toy-segmenter", "1")):
        with pytest.raises(StoreError, match=r"moved or copied.*pipelines\.relocate"):
            act()
    assert not original.exists()
    assert relocate.main([]) == 0
    assert summary_of(moved) == "All is well."
    assert relocate.main([]) == 0, "a second time changes nothing"
    assert publish.publish() == 0
    assert not original.exists()


def test_a_copy_never_writes_into_the_original(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files_of(original)
    copy = tmp_path / "copy"
    shutil.copytree(original, copy)
    workspace = Workspace(copy, enter(copy, monkeypatch))
    workspace.finish_stage("prepare", files={"preview.txt": "of the copy"})
    with pytest.raises(StoreError, match=r"pipelines\.relocate"):
        publish.publish()
    assert relocate.main([]) == 0
    assert publish.publish() == 0
    assert files_of(original) == before
    run = Store(copy / "mlflow.db").run("prepare")
    assert (copy / "mlartifacts").is_dir()
    assert list((copy / "mlartifacts").rglob(f"{run.id}/artifacts/preview.txt"))


def test_a_store_without_its_artifacts_is_left_as_it_is(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "half").mkdir()
    shutil.copy(original / "mlflow.db", tmp_path / "half/mlflow.db")
    enter(tmp_path / "half", monkeypatch)
    assert relocate.main([]) == 1
    assert "Move or copy that folder here" in capsys.readouterr().err
    rows = Store(tmp_path / "half/mlflow.db").query("SELECT artifact_location FROM experiments")
    assert (f"file://{original}/mlartifacts",) in rows
