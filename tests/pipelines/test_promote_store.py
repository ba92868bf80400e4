"""A store or a checkout in which nothing can be promoted is told with what helps."""

import sqlite3
from pathlib import Path

import pytest

from ocrnet.errors import DataError, StoreError
from pipelines._mlflow.promotion import _check_prepared, history

from .workspace import Workspace

pytestmark = pytest.mark.tools


def test_a_checkout_without_the_test_split_is_told_how_to_get_that_of_the_run(
    tmp_path: Path,
) -> None:
    with pytest.raises(DataError, match=r"pipelines\.fetch_run RUN.*dvc checkout.*promote/main"):
        _check_prepared(tmp_path / "data/prepare")


def told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what the ledger's reader says of the store of a folder."""
    workspace = Workspace(folder, f"sqlite:///{folder}/mlflow.db")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", workspace.uri)
    with pytest.raises(StoreError) as error:
        history()
    words = str(error.value)
    assert "shows how far it came" not in words, "it was that command which failed"
    return words


def test_a_damaged_store_is_told_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"not sqlite" * 500)
    assert "damaged" in told(tmp_path, monkeypatch)


def test_a_store_of_an_unknown_mlflow_is_told_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sqlite3.connect(tmp_path / "mlflow.db") as store:
        store.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        store.execute("INSERT INTO alembic_version VALUES ('f00dfeed0000')")
    store.close()
    assert "newer MLflow" in told(tmp_path, monkeypatch)
