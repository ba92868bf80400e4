"""A study names the commits of all code that its numbers come from."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks import low_data, low_data_stages
from benchmarks.low_data_cells import Cell, run_cell, write_json
from tests.ocrnet.conftest import toy_params


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository with a commit, in which the study runs."""
    folder = tmp_path / "code"
    folder.mkdir()
    monkeypatch.chdir(folder)
    subprocess.run(["git", "init", "-q"], check=True)
    commit()
    return folder


def commit() -> str:
    """Make a commit and return it."""
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", *who, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    show = ["git", "rev-parse", "--short=10", "HEAD"]
    return subprocess.run(show, check=True, capture_output=True, text=True).stdout.strip()


def told(cell: Cell) -> list[str]:
    return list(json.loads((cell.folder / "done.json").read_text())["commits"])


@pytest.mark.parametrize("noted", [True, False])
def test_a_resumed_cell_names_every_commit_that_worked_on_it(
    code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noted: bool
) -> None:
    """Killed at the first commit and resumed at the second; a third is made while it runs."""
    made = [commit()]

    def body(cell: Cell, _: object) -> None:
        checkpoint = cell.folder / "checkpoint/step.pt"
        if not checkpoint.exists():
            checkpoint.parent.mkdir()
            checkpoint.touch()
            raise KeyboardInterrupt
        made.append(commit())

    monkeypatch.setitem(low_data_stages.BODIES, "train", body)
    cell = Cell("train", toy_params(), tmp_path / "cells")
    with pytest.raises(KeyboardInterrupt):
        run_cell(cell)
    if not noted:  # as by code from before it was
        (cell.folder / "commits.json").unlink()
    made.append(commit())
    run_cell(cell)
    first, *others = made
    assert told(cell) == [first if noted else "unknown", *others]


def test_a_cell_that_is_killed_before_its_checkpoint_starts_anew_with_the_new_commit_alone(
    code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths = [KeyboardInterrupt()]

    def body(cell: Cell, _: object) -> None:
        if deaths:
            raise deaths.pop()

    monkeypatch.setitem(low_data_stages.BODIES, "prepare", body)
    cell = Cell("prepare", toy_params(), tmp_path / "cells")
    with pytest.raises(KeyboardInterrupt):
        run_cell(cell)
    now = commit()
    run_cell(cell)
    assert told(cell) == [now]


def test_the_commits_are_those_of_all_that_the_models_read_old_cells_included(
    tmp_path: Path,
) -> None:
    group = low_data.group_of("x", toy_params(), arms=["gan"], cells=tmp_path, raw="r")
    (model,) = group.models.values()
    places = dict(group.select.reads)
    done: list[tuple[Cell, dict[str, Any]]] = [
        (places["prepare"], {"commit": "prepared"}),
        (places["train"], {}),  # outside of a repository
        (places["train_gan"], {"commits": ["began", "ended"]}),
        (places["synthesize"], {"commits": ["painted"]}),
        (group.select, {"commit": "selected"}),
    ]
    for cell, values in done:
        cell.folder.mkdir()
        write_json(cell.folder / "done.json", {"seconds": 1.0, "resumed": False, **values})
    model.folder.mkdir()  # still runs
    expected = {"prepared", "unknown", "began", "ended", "painted", "selected"}
    assert group.commits == expected
    write_json(model.folder / "done.json", {"commits": ["retrained"]})
    assert group.commits == expected | {"retrained"}
