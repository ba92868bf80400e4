"""`publish` against a real store in a sqlite file: complete, once, whatever happened before."""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from ocrnet.errors import ParamsError
from pipelines._dvc_files.lock import folder_md5, read_lock
from pipelines._mlflow import publish
from pipelines._mlflow.address import find_address
from pipelines._mlflow.client import connect
from pipelines._mlflow.local_artifacts import relocate
from pipelines._mlflow.runs import create_run, log_points
from pipelines._mlflow.sent_record import SENT_FILE
from pipelines._mlflow.stage_points import Point
from tests.limits import HANG_S

from .store import Store, copy_empty_store
from .workspace import Workspace

# mlflow warns at import and of what it will change one day; what it does is asserted.
pytestmark = [pytest.mark.tools, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
LOSSES = [(step, {"train/loss": 1 / (step + 1)}) for step in range(0, 3000, 2)]
SCORES = [(1000, {"val/mIoU": 0.6, "val/IoU/crack (rare)": 0.2}), (2998, {"val/mIoU": 0.5})]
# Runs publish and tells which heavy modules that took.
LIGHT = """
import sys
from pipelines.publish import main
code = main()
heavy = [name for name in ("mlflow", "pandas", "numpy", "torch", "pydantic") if name in sys.modules]
assert not heavy, heavy
sys.exit(code)
"""


def fill(workspace: Workspace) -> None:
    workspace.finish_stage(
        "train@0",
        LOSSES + SCORES,
        metrics={"val/mIoU": 0.6, "best_step": 1000.0},
        params={
            "train.lr": 1e-3,
            "data.classes": ["plate"] * 200,
            "data.value_range": None,
            "data.url": "https://ann:hunter2@host/set",
            "data.api_key": "hunter2",
        },
        files={"note.txt": "kept", "weights.safetensors": "W"},
    )
    workspace.finish_stage("synthesize", metrics={"kept": 96.0})
    images = workspace.out("synthesize") / "gan" / "images"
    images.mkdir(parents=True)
    (images / "a.png").write_bytes(b"x")
    workspace.lock_stage("synthesize")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A repository after its first publish, into the default store."""
    workspace = Workspace(tmp_path_factory.mktemp("first"), "")
    fill(workspace)
    done = workspace.publish()
    assert "sent train@0, synthesize to sqlite:///mlflow.db" in done.stdout
    assert done.stderr == ""
    return workspace


@pytest.fixture
def store(first: Workspace) -> Store:
    return Store(first.folder / "mlflow.db")


@pytest.fixture
def copy(first: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A copy of it to work on inside this process, so that mlflow is imported once."""
    shutil.copytree(first.folder, tmp_path, dirs_exist_ok=True)
    workspace = Workspace(tmp_path, f"sqlite:///{tmp_path}/mlflow.db")
    workspace.stages = dict(first.stages)
    workspace.write_lock()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", workspace.uri)
    relocate(tmp_path / "mlflow.db", tmp_path / "mlartifacts")
    return workspace


def test_a_run_per_stage_holds_every_point_once(store: Store) -> None:
    assert sorted(run.name for run in store.runs()) == ["synthesize", "train@0"]
    run = store.run("train@0")
    assert run.status == "FINISHED"
    assert run.series("train/loss") == [(step, values["train/loss"]) for step, values in LOSSES]
    assert run.series("val/IoU/crack _rare_") == [(1000, 0.2)]
    # 0.6 stands for the whole run, so it comes after the series, which ends on 0.5.
    assert run.series("val/mIoU") == [(1000, 0.6), (2998, 0.5), (2999, 0.6)]
    assert run.series("best_step") == [(2998, 1000)]
    assert store.run("synthesize").points == [("kept", 0, 96)]


def test_points_have_the_times_of_the_side_file(store: Store, first: Workspace) -> None:
    lines = first.times("train@0").read_text().split()
    times = {round(1000 * float(line)) for line in lines}
    assert set(store.run("train@0").times) == times


def test_params_are_text_without_secrets_and_long_ones_are_cut_with_a_notice(store: Store) -> None:
    params = store.run("train@0").params
    assert params["train.lr"] == "0.001"
    assert params["data.value_range"] == "null"
    assert params["data.url"] == "https://***@host/set"
    assert params["data.api_key"] == "***"
    assert "cut: 1999 characters" not in params["train.lr"]
    assert f"cut: {len(json.dumps(['plate'] * 200))} characters" in params["data.classes"]


def test_artifacts_are_the_top_files_without_weights(store: Store, first: Workspace) -> None:
    sent = first.folder / "mlartifacts" / store.run("train@0").id / "artifacts"
    names = {path.relative_to(sent).as_posix() for path in sent.rglob("*") if path.is_file()}
    assert names == {
        "metrics.json", "metrics.jsonl", "note.txt", "record.json",
        "provenance/dvc.lock", "provenance/params.yaml",
    }  # fmt: skip


def test_tags_lead_to_code_data_and_params(store: Store) -> None:
    tags = store.run("train@0").tags
    assert len(tags["dvc.stage_key"]) == 32
    assert {"git.sha", "git.dirty", "dvc.lock_md5", "dvc.data_md5", "params.sha"} <= tags.keys()


def test_a_run_names_the_run_of_prefect_that_made_it_and_not_the_one_that_sends_it(
    tmp_path: Path,
) -> None:
    workspace = Workspace(tmp_path, "")
    fill(workspace)
    workspace.publish(
        PREFECT__FLOW_RUN_ID="the-sender", PREFECT_PARENT_FLOW_RUN_ID="the-pipeline",
        OCRNET_FLOW_RUNS='{"train@0": "the-trainer"}',
    )  # fmt: skip
    store = Store(tmp_path / "mlflow.db")
    trained, restored = (store.run(name).tags for name in ("train@0", "synthesize"))
    assert trained["prefect.flow_run_id"] == "the-trainer"
    assert "prefect.flow_run_id" not in restored  # from the run cache: no run made it
    assert trained["prefect.parent_id"] == restored["prefect.parent_id"] == "the-pipeline"


def test_nothing_to_send_needs_no_heavy_module(first: Workspace) -> None:
    """A publish that has nothing to do takes a quarter of a second; mlflow alone would take ten times as long."""
    assert "nothing to send" in first.run("-c", LIGHT).stdout


def test_without_its_ledger_it_finds_the_runs_again(copy: Workspace) -> None:
    store = Store(copy.folder / "mlflow.db")
    before = store.runs()
    (copy.folder / SENT_FILE).unlink()
    assert publish.publish() == 0
    assert store.runs() == before
    assert (copy.folder / SENT_FILE).is_file()


def test_a_run_deleted_in_mlflow_is_sent_again(
    copy: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = Store(copy.folder / "mlflow.db").run("synthesize").id
    change(copy, "UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = ?", gone)
    assert publish.publish() == 0
    assert "sent synthesize to" in capsys.readouterr().out


def test_a_publish_killed_in_the_middle_is_completed_by_the_next(copy: Workspace) -> None:
    store = Store(copy.folder / "mlflow.db")
    whole = store.run("train@0")
    change(copy, "DELETE FROM metrics WHERE run_uuid = ? AND step > 500", whole.id)
    change(copy, "DELETE FROM tags WHERE run_uuid = ? AND key = 'ocrnet.sent'", whole.id)
    (copy.folder / SENT_FILE).unlink()
    assert publish.publish() == 0
    run = store.run("train@0")
    assert run.id == whole.id
    assert sorted(run.points) == sorted(whole.points)


def test_live_points_that_the_files_contradict_do_not_stay(copy: Workspace) -> None:
    """A GPU may give other values when it goes on from a checkpoint; MLflow cannot take a point back."""
    session = connect(find_address(), "toy")
    begun = create_run(session, "train@1", "f1", start_ms=1)
    log_points(session, begun, [Point("train/loss", 0, 1.0, 1), Point("train/loss", 2, 0.7, 2)])
    lines = [(0, {"train/loss": 1.0}), (2, {"train/loss": 0.5})]
    copy.finish_stage("train@1", lines, fingerprint="f1")
    assert publish.publish() == 0
    old, new = sorted(
        Store(copy.folder / "mlflow.db").runs("train@1"), key=lambda run: run.id != begun
    )
    assert new.series("train/loss") == [(0, 1.0), (2, 0.5)]
    assert (old.id, old.status, old.tags["ocrnet.replaced_by"]) == (begun, "KILLED", new.id)


def test_a_folder_that_differs_from_the_lock_is_not_sent_under_its_key(
    copy: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    copy.finish_stage("train@1", fingerprint="f1")
    (copy.out("train@1") / "metrics.json").write_text('{"val/mIoU": 0.99}')
    assert publish.publish() == 3
    assert "data/train/1: it is not what dvc.lock says" in capsys.readouterr().err
    assert Store(copy.folder / "mlflow.db").runs("train@1") == []


def test_a_store_that_was_replaced_is_filled_again(
    copy: Workspace,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    moved = f"sqlite:///{copy.folder}/moved.db"
    sent = (copy.folder / SENT_FILE).read_text().replace("sqlite:///mlflow.db", moved)
    (copy.folder / SENT_FILE).write_text(sent)  # says that all is in a store that is empty
    copy_empty_store(tmp_path_factory, copy.folder / "moved.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", moved)
    assert publish.publish() == 0
    assert "sent train@0, synthesize" in capsys.readouterr().out
    assert len(Store(copy.folder / "moved.db").run("train@0").points) == len(LOSSES) + 5


def test_a_server_that_is_away_costs_a_line_and_no_mlflow(copy: Workspace) -> None:
    copy.uri = "http://ann:hunter2@127.0.0.1:9"  # the discard port: nobody listens
    done = copy.run("-c", LIGHT)
    assert done.stderr.count("\n") == 1
    assert "not sent: train@0, synthesize: http://127.0.0.1:9: Connection refused" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr


def test_dvc_gives_a_folder_the_hash_that_intact_folders_are_told_by(tmp_path: Path) -> None:
    command = "mkdir -p out/b/c && echo 1 > out/b.txt && echo 2 > out/b/c/d && printf 'x\\r\\n' > 'out/\u00e9 a'"
    stages = {"stages": {"make": {"cmd": command, "outs": ["out"]}}}
    (tmp_path / "dvc.yaml").write_text(json.dumps(stages))
    for arguments in (["init", "--no-scm", "-q"], ["repro", "-q"]):
        subprocess.run(
            [sys.executable, "-m", "dvc", *arguments], cwd=tmp_path, check=True, timeout=HANG_S
        )
    text = (tmp_path / "dvc.lock").read_text()
    assert f"md5: {folder_md5(tmp_path / 'out')}" in text


def change(workspace: Workspace, statement: str, value: str) -> None:
    with closing(sqlite3.connect(workspace.folder / "mlflow.db", timeout=30)) as connection:
        connection.execute(statement, (value,))
        connection.commit()


def test_a_store_that_refuses_for_good_is_an_error_and_no_comfort(
    copy: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """A deleted experiment takes no runs, however often they are sent."""
    copy.finish_stage("train@1", fingerprint="f1")
    change(copy, "UPDATE experiments SET lifecycle_stage = 'deleted' WHERE name = ?", "toy")
    assert publish.publish() == 1
    told = capsys.readouterr().err
    assert "refuses it" in told
    assert "Nothing is lost" not in told


def test_a_name_that_mlflow_never_takes_is_refused_with_2(copy: Workspace) -> None:
    path = copy.folder / "params.yaml"
    path.write_text(path.read_text().replace("toy-segmenter", "team/toy.1"))
    with pytest.raises(ParamsError, match=r"publish\.model_name: found 'team/toy\.1'"):
        publish.publish()


def test_a_full_disk_under_the_store_is_the_machine(
    copy: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    sending = publish.Sending(find_address(), "toy", "toy-segmenter", read_lock())
    full = sqlite3.OperationalError("database or disk is full")
    sending._refuse("train@1", full)
    assert sending.exit_code == 75
    sending.log_summary()
    assert "the machine failed: database or disk is full" in capsys.readouterr().err
