"""What the MLflow side reads from files and shows to people; no MLflow needed."""

import json
import os
import socket
from pathlib import Path

import pytest

from ocrnet.errors import DataError
from ocrnet.record import Recorder, write_record
from pipelines._dvc_files.lock import read_lock
from pipelines._mlflow import address as target_module
from pipelines._mlflow.address import StoreAddress, find_address
from pipelines._mlflow.sent_record import Registered, Sent, load_sent, save_sent, still_there
from pipelines._mlflow.stage_points import Point, all_points, is_complete, live_points
from pipelines._stage.fingerprint import STATE

LOCK = """
schema: '2.0'
stages:
  prepare:
    cmd: python -m pipelines.prepare
    outs:
    - path: {root}/prepare
      md5: aa.dir
  train@0:
    cmd: python -m pipelines.train 0
    params:
      params.yaml:
        train.lr: {lr}
    outs:
    - path: {root}/train/0
      md5: bb.dir
  publish:
    cmd: python -m pipelines.publish
    deps:
    - path: data/evaluate
      md5: {publish}.dir
"""


def write_lock(folder: Path, *, lr: str = "1e-4", publish: str = "cc") -> Path:
    for stage in ("train/0", "prepare"):
        (folder / stage).mkdir(parents=True, exist_ok=True)
    write_record(folder / "train" / "0", stage="train@0", fingerprint="f", params={})
    path = folder / "dvc.lock"
    path.write_text(LOCK.format(root=folder, lr=lr, publish=publish))
    return path


def test_a_key_follows_its_own_entry_and_nothing_else(tmp_path: Path) -> None:
    keys = [
        read_lock(write_lock(tmp_path, **changed)).entries["train@0"].key
        for changed in ({}, {"publish": "dd"}, {"lr": "2e-4"})
    ]
    assert keys[0] == keys[1] != keys[2]


def test_only_stages_with_a_record_are_runs_and_the_prepared_data_is_named(tmp_path: Path) -> None:
    lock = read_lock(write_lock(tmp_path))
    assert list(lock.entries) == ["train@0"]
    assert lock.data_md5 == "aa.dir"


def test_a_cell_left_over_from_other_data_is_not_a_run(tmp_path: Path) -> None:
    path = write_lock(tmp_path)
    for md5, runs in (("aa.dir", ["train@0"]), ("zz.dir", [])):
        deps = f"    deps:\n    - path: data/prepare\n      md5: {md5}\n"
        command = "    cmd: python -m pipelines.train 0\n"
        changed = tmp_path / "changed.lock"
        changed.write_text(path.read_text().replace(command, command + deps))
        assert list(read_lock(changed).entries) == runs


@pytest.mark.parametrize("content", ["{", "[]", ""])
def test_a_damaged_lock_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "dvc.lock").write_text(content)
    with pytest.raises(DataError, match=r"dvc\.lock: ") as caught:
        read_lock(tmp_path / "dvc.lock")
    assert "\n" not in str(caught.value)


def test_without_a_lock_the_cure_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no stage has run\. Run `dvc repro` first"):
        read_lock(tmp_path / "dvc.lock")


def test_a_restored_stage_gets_the_same_times_whenever_it_is_sent(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.log(0, {"train/loss": 2.0})
    recorder.log(10, {"train/loss": 1.0})
    recorder.finish({"train/loss": 1.0, "val/mIoU": 0.5})
    assert all_points(tmp_path, [], start_ms=5000) == [
        Point("train/loss", 0, 2.0, 5000),
        Point("train/loss", 10, 1.0, 6000),  # the series ends on the final value: no point more
        Point("val/mIoU", 10, 0.5, 6000),
    ]


def test_times_of_another_attempt_are_not_used(tmp_path: Path) -> None:
    Recorder(tmp_path).log(0, {"train/loss": 2.0})
    assert all_points(tmp_path, [1, 2, 3], start_ms=7)[0].time_ms == 7


def test_a_line_that_is_being_written_waits_for_its_end(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.log(0, {"train/loss": 2.0})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 1, "train/lo')
    assert live_points(tmp_path, [], now_ms=9) == [Point("train/loss", 0, 2.0, 9)]


def test_the_end_of_an_earlier_attempt_does_not_count(tmp_path: Path) -> None:
    Recorder(tmp_path).finish({})
    os.utime(tmp_path / "metrics.json", (1, 1))
    write_record(tmp_path, stage="train@0", fingerprint="f", params={})
    assert not is_complete(tmp_path)
    Recorder(tmp_path).finish({})
    assert is_complete(tmp_path)


@pytest.mark.parametrize(
    ("uri", "shown", "given"),
    [
        ("https://ann:s3cret%21@host:5000/", "https://host:5000", "https://host:5000"),
        ("postgresql://ann:s3cret@db/x", "postgresql://***@db/x", "postgresql://ann:s3cret@db/x"),
        ("", "sqlite:///mlflow.db", "sqlite:///mlflow.db"),
    ],
)
def test_an_address_is_shown_without_its_password(uri: str, shown: str, given: str) -> None:
    target = find_address({"MLFLOW_TRACKING_URI": uri})
    assert (target.shown, target.uri) == (shown, given)
    assert "s3cret" not in repr(target)


def test_no_secret_survives_in_a_message() -> None:
    environment = {"MLFLOW_TRACKING_URI": "http://ann:p%40ss@h", "MLFLOW_TRACKING_TOKEN": "tok-1"}
    target = find_address(environment)
    message = "GET http://ann:p%40ss@h/x?token=abc failed\nfor p@ss with Bearer tok-1"
    assert target.redact(message) == "GET http://***@h/x?token=*** failed for *** with Bearer ***"


def test_a_server_that_takes_calls_and_answers_none_counts_as_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        target = find_address({"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{deaf.getsockname()[1]}"})
        assert "no answer" in str(target.refusal(timeout_s=0.2))
    assert "refused" in str(target.refusal())


def test_the_ledger_keeps_stores_and_experiments_apart(tmp_path: Path) -> None:
    path = tmp_path / "published.json"
    here, there = (
        StoreAddress("sqlite:///a.db", "sqlite:///a.db"),
        StoreAddress("http://h", "http://h"),
    )
    sent = Sent({"key": "run"}, Registered("m", "1", "key", "other", "sha"), "7")
    save_sent(here, "demo", sent, path)
    save_sent(there, "demo", Sent(), path)
    assert load_sent(here, "demo", path) == sent
    assert load_sent(here, "camvid", path) == Sent()
    path.write_text(json.dumps({"sqlite:///a.db demo": {"runs": 3}}))  # foreign
    assert load_sent(here, "demo", path) == Sent()


def test_a_store_whose_file_was_deleted_holds_nothing(tmp_path: Path) -> None:
    gone = find_address({"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"})
    assert still_there(gone, Sent({"key": "run"}), ["run"]) is False
    (tmp_path / "mlflow.db").touch()  # a file, but no store: mlflow itself must look
    assert still_there(gone, Sent({"key": "run"}), ["run"]) is None


def test_publish_and_the_stages_mean_the_same_folder() -> None:
    assert target_module.STATE == STATE
