"""The record of a run holds what ran and no time of it."""

import json
from pathlib import Path

from ocrnet.record import Recorder, write_record


def test_lines_and_final_metrics_leave_out_what_is_not_finite(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.log(3, {"val/mIoU": 0.5, "val/IoU/absent": float("nan")})
    recorder.finish({"val/mIoU": 0.5, "val/IoU/absent": float("nan")})
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 3, "val/mIoU": 0.5}\n'
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"val/mIoU": 0.5}


def test_a_restored_recorder_goes_on_from_the_lines_of_the_checkpoint(tmp_path: Path) -> None:
    first = Recorder(tmp_path / "a", times=tmp_path / "times.txt")
    first.log(1, {"x": 1})
    state = first.state()
    stamp = (tmp_path / "times.txt").read_text().splitlines()[0]
    first.log(2, {"x": 2})
    again = Recorder(tmp_path / "a", times=tmp_path / "times.txt")
    again.restore(state)
    again.log(2, {"x": 20})
    lines = [
        json.loads(line) for line in (tmp_path / "a" / "metrics.jsonl").read_text().splitlines()
    ]
    assert lines == [{"step": 1, "x": 1.0}, {"step": 2, "x": 20.0}]
    assert (tmp_path / "times.txt").read_text().splitlines()[0] == stamp
    assert len((tmp_path / "times.txt").read_text().splitlines()) == 2


def test_a_record_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_record(tmp_path / name, stage="train@0", fingerprint="f", params={"train.lr": 0.1})
    assert (tmp_path / "a" / "record.json").read_bytes() == (
        tmp_path / "b" / "record.json"
    ).read_bytes()
