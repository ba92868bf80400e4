"""What every stage shares: exit codes, fingerprints, checkpoints."""

import errno
import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML

from ocrnet.config import Params
from ocrnet.config.params_file import load_params
from ocrnet.errors import DataError, TrainError
from ocrnet.record import Recorder
from pipelines._stage import torchrun
from pipelines._stage.dependencies import read_node
from pipelines._stage.fingerprint import STATE
from pipelines._stage.stage import MACHINE_FAILED, Stage, run_stage
from pipelines.flows.stage_scheduler import FINAL_CODES
from tests.limits import HANG_S
from tests.ocrnet.conftest import toy_params, write_toy_set

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy("params.yaml", tmp_path)
    put(tmp_path / "params.yaml", seeds=[0, 7])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(path: Path, **values: object) -> None:
    document = YAML().load(path)
    document.update(values)
    YAML().dump(document, path)


def run(body: object = None, argv: tuple[str, ...] = ("7",)) -> int:
    def nothing(stage: Stage) -> None:
        pass

    chosen = body if callable(body) else nothing
    return run_stage(chosen, "train", argv=argv)


def test_a_cell_has_its_name_and_its_folder() -> None:
    seen: list[Stage] = []
    assert run(seen.append) == 0
    assert (seen[0].name, seen[0].out, seen[0].cell) == ("train@7", Path("data/train/7"), ("7",))
    assert seen[0].out.is_dir()


def test_a_stage_says_how_many_there_are(caplog: pytest.LogCaptureFixture) -> None:
    """Two seeds, two arms: validate, prepare, 2 train, train_gan, synthesize, select, 2 pseudo_label, 4 retrain, 2."""
    caplog.set_level("INFO")
    assert run() == 0
    assert "stage 4 of 15: train@7" in caplog.messages


def test_wrong_params_end_with_2_and_a_line_each(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = workspace / "params.yaml"
    document = YAML().load(path)
    document["train"]["lr"] = "fast"
    YAML().dump(document, path)
    assert run() == 2
    assert "train: params.yaml: train.lr: found 'fast'." in capsys.readouterr().err


def test_wrong_data_end_with_3_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(stage: Stage) -> None:
        raise DataError("masks/a.png: empty.\nmasks/b.png: empty.")

    assert run(refuse) == 3
    assert capsys.readouterr().err.splitlines() == [
        "train: masks/a.png: empty.",
        "train: masks/b.png: empty.",
    ]


def test_a_bug_keeps_its_traceback() -> None:
    def fail(stage: Stage) -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        run(fail)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("of 3 GiB"),
        torch.OutOfMemoryError("of 3 GiB"),
        OSError(errno.ENOSPC, "of 3 GiB"),
    ],
)
def test_what_the_machine_failed_may_be_tried_elsewhere(
    error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(stage: Stage) -> None:
        raise error

    assert run(fail) == MACHINE_FAILED
    assert MACHINE_FAILED not in FINAL_CODES  # of the flows, which never try those again
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("train: the machine failed: ")
    assert line.endswith("of 3 GiB")


def test_a_file_that_is_missing_is_a_bug_and_not_the_machine() -> None:
    def fail(stage: Stage) -> None:
        raise FileNotFoundError(errno.ENOENT, "data/prepare")

    with pytest.raises(FileNotFoundError):
        run(fail)


def test_wrong_arguments_say_how_to_call(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(argv=()) == 2
    assert "Write: python -m pipelines.train SEED" in capsys.readouterr().err


def test_the_fingerprint_moves_with_its_sections_its_cell_and_its_inputs(workspace: Path) -> None:
    params = load_params(workspace / "params.yaml")
    file = workspace / "data" / "prepare" / "a.txt"
    file.parent.mkdir(parents=True)
    file.write_text("one")

    def of(params: Params, seed: str = "0") -> str:
        return Stage(f"train@{seed}", (seed,), params, Path("out"), read_node("train")).fingerprint

    base = of(params)
    other = params.model_copy(update={"train": params.train.model_copy(update={"lr": 0.5})})
    quiet = params.model_copy(update={"train": params.train.model_copy(update={"workers": 9})})
    gan = params.train_gan.model_copy(update={"lr_generator": 0.5})
    assert of(other) != base
    assert of(quiet) == of(params.model_copy(update={"train_gan": gan})) == base
    assert of(params, "1") != base
    file.write_text("two")
    assert of(params) != base


def test_a_stage_is_a_function_of_what_dvc_knows_of_it() -> None:
    values = {"seeds": [7, 8], "data": {"path": "data/raw/mine"}}
    node = read_node("select")
    assert Path("data/train/7") in node.inputs(values, ())
    assert read_node("validate").inputs(values, ()) == [Path("data/raw/mine")]
    retrain = read_node("retrain")
    assert retrain.cell == ("arm", "seed")
    assert retrain.values == {"arm": "retrain.arms", "seed": "seeds"}
    files = {path.relative_to(ROOT).as_posix() for path in retrain.code_files()}
    assert "ocrnet/training/step.py" in files
    assert not any(file.startswith("ocrnet/report/") for file in files)


def test_old_checkpoints_of_the_cell_are_pruned() -> None:
    folder = STATE / "checkpoints" / "train@7"
    for name in ("a", "b", "c"):
        (folder / name).mkdir(parents=True)
    assert run() == 0
    assert len(list(folder.iterdir())) == 1


@pytest.mark.slow
def test_what_stops_the_ranks_of_a_stage_is_told_in_one_line(workspace: Path) -> None:
    """The first rank's log is the stage's; torchrun's report of failed processes is not."""
    toy = toy_params(
        processes=2, lr=10, optimizer="sgd", clip_norm=None, weight_decay=10, backbone_lr_mult=1000, log_interval=1,
    )  # fmt: skip
    values = toy.model_dump(mode="json", by_alias=True)
    # Without a norm that scales each layer's answer down again, such a decay makes weights and answers grow beyond all
    # bounds within a few steps.
    values["model"] |= {"backbone": "resnet10t", "norm": "frozen"}
    values["publish"]["live"] = False
    YAML().dump(values, workspace / "params.yaml")
    write_toy_set(workspace / "data" / "prepare", counts={"train": 8, "val": 4})
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.train", "0"],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=HANG_S, check=False,
    )  # fmt: skip
    assert done.returncode == TrainError.exit_code, done.stderr
    told = [line for line in done.stderr.splitlines() if "git names no commit" not in line]
    position, warned, *steps, last = told
    assert "stage 3 of" in position
    assert "model.norm: frozen" in warned
    assert [line[9:23] for line in steps] == [f"step {i + 1}/8  loss" for i in range(len(steps))]
    assert re.match(rf"train: step {len(steps)}: the .* is (nan|inf) on the batch train_", last)
    assert len(set(re.findall(r"train_\d\d", last))) == 4, "the images of both ranks"
    assert (workspace / "data/train/0/metrics.jsonl").read_text().count("train/loss") == len(steps)


@pytest.mark.parametrize(
    ("name", "cell", "section"),
    [
        ("train", ("7",), "train"),
        ("retrain", ("gan", "7"), "train"),
        ("train_gan", (), "train_gan"),
    ],
)
def test_several_processes_run_the_command_of_the_stage(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, name: str, cell: tuple[str, ...], section: str
) -> None:
    document = YAML().load(workspace / "params.yaml")
    document[section]["processes"] = 2
    YAML().dump(document, workspace / "params.yaml")
    started: list[tuple[list[str], int]] = []
    monkeypatch.setattr(torchrun, "launch", lambda *given: started.append(given))
    module = import_module(f"pipelines.{name}")
    assert run_stage(getattr(module, name), name, argv=cell) == 0
    assert started == [([f"pipelines.{name}", *cell], 2)]


def test_all_ranks_but_the_first_write_no_record_and_delete_no_checkpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Torchrun names a rank by these variables."""
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "run")
    monkeypatch.setenv("RANK", "1")
    old = STATE / "checkpoints" / "train@7"
    for name in ("a", "b", "c"):
        (old / name).mkdir(parents=True)
    recorders: list[Recorder] = []
    assert run(lambda stage: recorders.append(stage.start_record())) == 0
    recorders[0].log(1, {"train/loss": 1.0})
    recorders[0].finish({"val/mIoU": 1.0})
    assert not list(Path("data/train/7").iterdir())
    assert len(list(old.iterdir())) == 3
