"""`--help` runs nothing, and arguments that are refused leave nothing behind."""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.limits import HANG_S

from .test_graph import STAGES

ROOT = Path(__file__).parents[2]
COMMANDS = sorted(
    path.stem
    for path in (ROOT / "pipelines").glob("*.py")
    if not path.stem.startswith("_") and "__main__" in path.read_text()
)
# Says what is imported when the process ends.
WATCHED = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
finally:
    print("loaded:", *sorted({"torch", "mlflow", "dvc", "prefect", "pandas"} & set(sys.modules)))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path


def run(folder: Path, name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", WATCHED, f"pipelines.{name}", *arguments], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=HANG_S, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def left_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_every_stage_is_among_the_commands() -> None:
    assert set(STAGES) <= set(COMMANDS)
    assert {"check", "activate", "score", "paint", "servers"} <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_told_at_once_and_runs_nothing(folder: Path, name: str) -> None:
    done = run(folder, name, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: python -m pipelines.{name}")
    assert done.stdout.splitlines()[-1] == "loaded:"
    assert left_in(folder) == ["params.yaml"]


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("train", ("x",), "seeds: has no 'x'"),
        ("train", ("-1",), "seeds: has no '-1'"),
        ("train", ("0.0",), "seeds: has no '0.0'"),
        ("train", ("5",), "seeds: has no '5'"),
        ("train", ("../../x",), "seeds: has no"),
        ("train", (), "Write: python -m pipelines.train SEED"),
        ("retrain", ("gan-0", "extra"), "retrain.arms: has no 'gan-0'. Did you mean 'gan'?"),
        ("retrain", ("gan", "0", "extra"), "Write: python -m pipelines.retrain ARM SEED"),
        ("prepare", ("now",), "Write: python -m pipelines.prepare"),
        ("publish", ("now",), "unrecognized arguments: now"),
        ("show", ("now",), "unrecognized arguments: now"),
        ("check", ("now",), "unrecognized arguments: now"),
    ],
)
def test_arguments_that_are_refused_leave_nothing(
    folder: Path, name: str, arguments: tuple[str, ...], words: str
) -> None:
    done = run(folder, name, *arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{name}: ")
    assert words in line
    assert left_in(folder) == ["params.yaml"]


WITH_PARSER = [
    name for name in COMMANDS if "parser() ->" in (ROOT / "pipelines" / f"{name}.py").read_text()
]


@pytest.mark.parametrize("name", WITH_PARSER)
def test_every_argument_is_explained_by_a_phrase_of_its_own(name: str) -> None:
    """It begins with a capital letter: "of a window" cannot be understood without the name of the option."""
    module = importlib.import_module(f"pipelines.{name}")
    parser = module.parser() if hasattr(module, "parser") else module._parser()
    for action in parser._actions[1:]:
        assert action.help, f"{name} {action.dest}"
        assert action.help[0].isupper(), f"{name} {action.dest}: {action.help}"
