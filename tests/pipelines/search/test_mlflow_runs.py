"""The trials of a search in MLflow."""

import os
from pathlib import Path

import pytest

from pipelines._mlflow.address import find_address
from pipelines._search.mlflow_runs import send_search
from pipelines._search.results import COMPLETE, FAILED, PRUNED, Result, Summary
from tests.pipelines.store import Run, Store, copy_empty_store

pytestmark = [pytest.mark.tools, pytest.mark.filterwarnings("ignore")]
RESULTS = (
    Result(0, COMPLETE, {"train.lr": 0.003}, 0.4, ((10, 0.3), (20, 0.4)), times_ms=(1000, 2000)),
    Result(1, PRUNED, {"train.lr": 0.0001}, None, ((10, 0.1),), times_ms=(2000, 3000)),
    Result(2, FAILED, {"train.lr": 0.01}, None, reason="no loss", times_ms=(3000, 4000)),
    Result(3, COMPLETE, {"train.lr": 0.001}, 0.5, ((10, 0.2), (20, 0.5)), times_ms=(4000, 5000)),
)


@pytest.fixture
def store(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Store:
    copy_empty_store(tmp_path_factory, tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    return Store(tmp_path / "mlflow.db")


def send(*results: Result, files: tuple[Path, ...] = ()) -> str | None:
    summary = Summary("mine", "f00", {"train.lr": "1e-4..1e-2"}, (0,), results, 0)
    return send_search(find_address(), "toy", summary, files)


def children(store: Store) -> dict[int, Run]:
    (parent,) = store.runs("search mine")
    runs = [run for run in store.runs() if run.tags.get("mlflow.parentRunId") == parent.id]
    return {int(run.tags["ocrnet.trial"]): run for run in runs}


def test_every_trial_is_a_child_and_is_sent_once(store: Store, tmp_path: Path) -> None:
    page = tmp_path / "search.html"
    page.write_text("page")
    assert send(*RESULTS[:2]) is None
    assert send(*RESULTS, files=(page,)) is None
    assert send(*RESULTS, files=(page,)) is None
    runs = children(store)
    assert {number: run.status for number, run in runs.items()} == {
        0: "FINISHED", 1: "KILLED", 2: "FAILED", 3: "FINISHED",
    }  # fmt: skip
    assert len(store.runs()) == 5
    assert runs[3].params == {"train.lr": "0.001"}
    assert runs[3].series("val/mIoU") == [(10, 0.2), (20, 0.5)]
    assert runs[3].series("search/val_mIoU") == [(0, 0.5)]
    assert runs[1].series("search/val_mIoU") == []
    assert runs[2].tags["ocrnet.reason"] == "no loss"
    (parent,) = store.runs("search mine")
    assert parent.params == {"train.lr": "1e-4..1e-2", "seeds": "[0]"}
    assert parent.tags["ocrnet.best_trial"] == "3"
    assert parent.series("search/val_mIoU")[-1] == (3, 0.5)
    assert parent.status == "FINISHED"
    assert [path.name for path in tmp_path.rglob("artifacts/*")] == ["search.html"]


def test_a_kill_while_a_trial_is_sent_leaves_nothing_twice(store: Store) -> None:
    assert send(*RESULTS[:1]) is None
    (child,) = children(store).values()
    from mlflow import MlflowClient

    MlflowClient(os.environ["MLFLOW_TRACKING_URI"]).delete_tag(child.id, "ocrnet.sent")
    assert send(*RESULTS[:1]) is None
    (again,) = children(store).values()
    assert (again.id, again.points) == (child.id, child.points)
    assert again.tags["ocrnet.sent"] == "complete"


def test_a_server_that_is_away_gives_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert "refused" in str(send(*RESULTS)).lower()
