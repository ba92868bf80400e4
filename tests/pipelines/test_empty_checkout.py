"""In a checkout where nothing has run, every stage and command says in one line what is missing, and exits 2 or 3."""

import importlib
import logging
import shutil
from pathlib import Path

import pytest

from pipelines._edit_params import write_values
from pipelines._stage.stage import run_stage
from tests.pipelines.test_graph import STAGES

from .test_help import COMMANDS

ROOT = Path(__file__).parents[2]
CELLS = {"train": ("0",), "train_fold": ("1",), "pseudo_label": ("0",), "retrain": ("gan", "0")}
ARGUMENTS = {
    "check": (),
    "lr_range": (),
    "score_pairs": (),
    "paint": ("image.png", "mask.png", "-o", "out.png"),
    "promote": ("--version", "1"),
    "publish": (),
    "rebuild": ("1",),
    "rollback": (),
    "score": ("data/train/0",),
    "show": (),
    "fetch_run": ("no-run",),
    "activate": ("nothing",),
}
# Nothing needs to have run before them, or they wait for ever, or a stage starts them.
OTHERS = {
    "components",
    "deploy",
    "follow",
    "gc",
    "ledger",
    "relocate",
    "repro",
    "servers",
    "validate",
    "workers",
}


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    write_values(
        tmp_path / "params.yaml", {"publish.live": False, "folds": [1, 2]}, place="this test"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return tmp_path


def only_line(capsys: pytest.CaptureFixture[str]) -> str:
    logging.getLogger().handlers.clear()
    lines = [line for line in capsys.readouterr().err.splitlines() if "names no commit" not in line]
    assert len(lines) == 1, lines
    return lines[0]


def test_every_command_is_tried_or_excepted() -> None:
    assert set(ARGUMENTS) | OTHERS | set(STAGES) == set(COMMANDS)


@pytest.mark.parametrize("name", [name for name in STAGES if name not in ("validate", "publish")])
def test_a_stage_names_what_was_not_made(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    body = getattr(importlib.import_module(f"pipelines.{name}"), name)
    assert run_stage(body, name, argv=CELLS.get(name, ())) == 3
    line = only_line(capsys)
    assert line.startswith(f"{name}: data/")
    assert "Run " in line, "the cure"


@pytest.mark.tools
@pytest.mark.parametrize(("name", "arguments"), ARGUMENTS.items())
def test_a_command_names_what_is_missing(
    name: str, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    module = importlib.import_module(f"pipelines.{name}")
    assert module.main(arguments) in (2, 3)
    assert only_line(capsys).startswith(f"{name}: ")
