"""The command `ocrnet`: what it tells, how fast, and with which exit codes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.cli.app import VERBS, main
from tests.limits import HANG_S

ROOT = Path(__file__).parents[3]
WATCHED = """
import sys
from pipelines.cli.app import main
code = main(sys.argv[1:])
print("loaded:", *sorted({"torch", "pandas", "pydantic", "dvc", "mlflow", "optuna", "gradio"} & set(sys.modules)))
sys.exit(code)
"""


def run(folder: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=HANG_S, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables}, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--help",),
        ("--version",),
        ("init", "--help"),
        ("search", "--help"),
        ("predict", "--help"),
        ("serve", "--help"),
        ("next", "--help"),
        ("-h",),
    ],
)
def test_what_needs_no_torch_loads_nothing_slow(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = run(tmp_path, "-c", WATCHED, *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded:"
    assert list(tmp_path.iterdir()) == []


def test_help_lists_every_verb_with_its_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(verb in told for verb in VERBS)


def test_the_version_is_that_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert (
        f'version = "{capsys.readouterr().out.split()[-1]}"'
        in (ROOT / "pyproject.toml").read_text()
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["innit"], "No such command 'innit'"),
        (["init"], "Missing argument 'PATH'. See: ocrnet init --help"),
        (["init", "x", "y"], "Got unexpected extra argument (y)"),
        (["init", "x", "--nmae", "z"], "No such option '--nmae'"),
        (["init", "x", "--name", "a b"], "found 'a b'. Use 1 to 64 letters, digits, - and _"),
        (
            ["init", "x", "--source", "cvat"],
            "'cvat' is unknown. Known: demo, folder, by_name, camvid, coco",
        ),
        (["init", ""], "found a path of 0 characters"),
        (["serve", "--port", "70000"], "70000 is not in the range 0<=x<=65535"),
        (["serve", "--host", "nowhere.invalid"], "Give --password-file FILE or set"),
        (["search"], "Missing argument 'KEY=RANGE...'. See: ocrnet search --help"),
        (["search", "-n", "0", "train.lr=1..2"], "0 is not in the range 1<=x<=100000"),
        (["search", "--name", "../x", "train.lr=1..2"], "found '../x'. Use 1 to 64 letters"),
        (["search", "train.lr=2..1"], "train.lr=2..1: the range is empty: 2 is not below 1"),
        (["search", "--name", "demo", "train.lr=1e-4..1e-2"], "params/demo.yaml exists"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ocrnet: ")
    assert words in line


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("ocrnet in", "init"),
        ("ocrnet init --fo", "--force"),
        ("ocrnet init x --source ca", "camvid"),
    ],
)
def test_tab_completes_verbs_options_and_names(tmp_path: Path, typed: str, offered: str) -> None:
    done = run(
        tmp_path, "-m", "pipelines.cli", _OCRNET_COMPLETE="bash_complete", COMP_WORDS=typed,
        COMP_CWORD=str(len(typed.split()) - 1),
    )  # fmt: skip
    assert done.stdout.split() == [f"plain,{offered}"]


def test_the_script_for_the_shell_calls_the_command(tmp_path: Path) -> None:
    done = run(tmp_path, "-m", "pipelines.cli", _OCRNET_COMPLETE="zsh_source")
    assert done.returncode == 0
    assert "_OCRNET_COMPLETE=zsh_complete ocrnet" in done.stdout
