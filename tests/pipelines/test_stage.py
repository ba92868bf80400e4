"""What every stage shares: exit codes, fingerprints, checkpoints."""

import shutil
from pathlib import Path

import pytest

from ocrnet.errors import DataError
from ocrnet.params_file import load_params
from pipelines._stage import STATE, Stage, fingerprint_of, run_stage


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy("params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(body: object = None, argv: tuple[str, ...] = ("7",)) -> int:
    def nothing(stage: Stage) -> None:
        pass

    chosen = body if callable(body) else nothing
    return run_stage(chosen, "train", cell=("seed",), uses=("train",), argv=argv)


def test_a_cell_has_its_name_and_its_folder() -> None:
    seen: list[Stage] = []
    assert run(seen.append) == 0
    assert (seen[0].name, seen[0].out, seen[0].cell) == ("train@7", Path("data/train/7"), ("7",))
    assert seen[0].out.is_dir()


def test_wrong_params_end_with_2_and_a_line_each(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = workspace / "params.yaml"
    path.write_text(
        path.read_text().replace("lr: 0.002", "lr: fast").replace("  lr: 0.001", "  lr: fast")
    )
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


def test_wrong_arguments_say_how_to_call(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(argv=()) == 2
    assert "Write: python -m pipelines.train SEED" in capsys.readouterr().err


def test_the_fingerprint_moves_with_its_sections_its_cell_and_its_inputs(workspace: Path) -> None:
    params = load_params(workspace / "params.yaml")
    (workspace / "input").mkdir()
    (workspace / "input" / "a.txt").write_text("one")
    inputs = [workspace / "input"]
    base = fingerprint_of(params, ("train",), inputs, ("0",))
    other = params.model_copy(update={"train": params.train.model_copy(update={"lr": 0.5})})
    assert fingerprint_of(other, ("train",), inputs, ("0",)) != base
    assert fingerprint_of(other, ("model",), inputs, ("0",)) == fingerprint_of(
        params, ("model",), inputs, ("0",)
    )
    assert fingerprint_of(params, ("train",), inputs, ("1",)) != base
    (workspace / "input" / "a.txt").write_text("two")
    assert fingerprint_of(params, ("train",), inputs, ("0",)) != base


def test_old_checkpoints_of_the_cell_are_pruned() -> None:
    folder = STATE / "checkpoints" / "train@7"
    for name in ("a", "b", "c"):
        (folder / name).mkdir(parents=True)
    assert run() == 0
    assert len(list(folder.iterdir())) == 1
