"""The server keeps a limited number of bytes: the oldest files go first."""

import os
from pathlib import Path

from pipelines._serve.quota import Quota

NOW = 1_000_000.0


def written(folder: Path, name: str, size: int, age_s: float) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (NOW - age_s, NOW - age_s))
    return path


def test_the_oldest_files_make_room_and_no_more_than_is_needed(tmp_path: Path) -> None:
    newest = written(tmp_path, "a/one.png", 30, 60)
    oldest = written(tmp_path, "b/one.png", 30, 6000)
    middle = written(tmp_path, "c/d/one.png", 30, 600)
    assert Quota(tmp_path, 100).make_room(40, now=NOW)
    assert [path.exists() for path in (oldest, middle, newest)] == [False, True, True]
    assert Quota(tmp_path, 100).make_room(40, now=NOW)
    assert middle.exists()


def test_files_of_the_last_seconds_stay_and_the_upload_is_refused(tmp_path: Path) -> None:
    young = written(tmp_path, "young.png", 80, 5)
    old = written(tmp_path, "old.png", 10, 500)
    assert not Quota(tmp_path, 100).make_room(40, now=NOW)
    assert (young.exists(), old.exists()) == (True, False)
    assert Quota(tmp_path, 100).make_room(40, now=NOW + 20)
    assert not young.exists()


def test_an_upload_larger_than_the_quota_is_refused(tmp_path: Path) -> None:
    assert not Quota(tmp_path / "missing", 100).make_room(101, now=NOW)
    assert Quota(tmp_path / "missing", 100).make_room(100, now=NOW)
