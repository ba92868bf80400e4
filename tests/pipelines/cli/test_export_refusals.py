"""What `ocrnet export` refuses before it writes a file."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ocrnet.export import packages
from ocrnet.models.output import LEAST_SIDE
from pipelines.cli import export as verb
from pipelines.cli.app import main
from tests.ocrnet.conftest import CLASSES, write_toy_set
from tests.ocrnet.export.files import write_unet


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with a bundle and a prepared set."""
    write_unet(tmp_path / "bundle", things=("square", "dot"))
    write_toy_set(
        tmp_path / "data/prepare", counts={"train": 1, "val": 2, "test": 1}, size=(75, 90)
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)  # of all later tests


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("bundle", "-o", "x.pt2"), 2, "--format onnx is .onnx"),
        (("bundle", "-o", "x.pt2", "--format", "torch_export", "--int8"), 2, "--int8"),
        (("bundle", "-o", "x.onnx", "--objects"), 2, "bundle has no instance heads"),
        (("bundle", "-o", "x.onnx", "--objects", "--int8"), 2, "--int8"),
        (("bundle", "-o", "x.onnx", "--raw", "--probabilities"), 2, "--probabilities"),
        (("bundle", "-o", "x.onnx", "--raw", "--layout", "nchw"), 2, "--layout"),
        (("bundle", "-o", "x.onnx", "--size", "32", "96"), 2, "32 is not in the range"),
        (("bundle", "-o", "x.onnx", "--format", "openvino"), 2, "openvino"),
        (("bundle", "-o", "x.onnx", "--images", "nowhere"), 3, "neither a prepared set nor"),
        (("nowhere", "-o", "x.onnx"), 3, "no such file"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    arguments: tuple[str, ...], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", *arguments]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert not Path("x.onnx").exists()


def test_a_set_of_other_classes_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_toy_set(tmp_path / "set", counts={"train": 1, "val": 1, "test": 1})
    replace(CLASSES, class_names=("a", "b", "c")).write(folder)
    for path in (folder / "manifest.csv",):
        text = path.read_text()
        for old, new in zip(CLASSES.class_names, "abc", strict=True):
            text = text.replace(f"px_{old}", f"px_{new}")
        path.write_text(text)
    assert main(["export", "bundle", "-o", str(tmp_path), "--images", str(folder)]) == 3
    assert "the model has ['floor', 'square', 'dot']" in capsys.readouterr().err


def test_missing_packages_are_named_with_their_cure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda name: None if name == "onnxscript" else 1)
    assert main(["export", "bundle", "-o", "x.onnx"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "onnxscript is missing" in line
    assert "pip install 'ocrnet[export]'" in line


def test_the_least_side_is_that_of_the_models() -> None:
    assert verb.LEAST_SIDE == LEAST_SIDE
