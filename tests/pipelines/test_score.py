"""The command that scores bundles: its numbers, its file and its errors, from the command line."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from ocrnet.bundles.bundle import build_model, save_bundle
from ocrnet.bundles.card import ModelCard
from ocrnet.data.manifest import ClassTable
from ocrnet.evaluation.bootstrap import compare
from ocrnet.inference.predict import load_segmenter
from ocrnet.metrics import confusion_matrix, miou
from ocrnet.training.dataset import ImageFolder
from pipelines.score import main
from tests.ocrnet.conftest import CLASSES, write_toy_set
from tests.ocrnet.evaluation.things import add_things


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("prepared")
    return write_toy_set(root, counts={"train": 2, "val": 2, "test": 5}, size=(64, 72))


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    root = tmp_path_factory.mktemp("bundles")
    return [write_bundle(root / str(seed), seed=seed) for seed in (0, 1)]


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """The command scores on one thread; the process has what it had before."""
    before = torch.get_num_threads()
    yield
    assert torch.get_num_threads() == before


def write_bundle(folder: Path, *, seed: int, classes: ClassTable = CLASSES) -> str:
    options = {"backbone": "resnet18", "mid_channels": 16, "key_channels": 8}
    card = ModelCard("ocrnet", options, classes)
    torch.manual_seed(seed)
    save_bundle(folder, card, build_model(card).state_dict())
    return folder.as_posix()


def run(*argv: str, out: Path, data: Path) -> dict[str, Any]:
    assert main([*argv, "--data", str(data), "--out", str(out), "--device", "cpu"]) == 0
    content: dict[str, Any] = json.loads(out.read_text())
    return content


def refused(*argv: str, capsys: pytest.CaptureFixture[str], code: int) -> str:
    assert main(list(argv)) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err


def test_the_scores_are_those_of_the_label_maps(
    bundles: list[str], prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run(bundles[0], "--processes", "1", out=tmp_path / "one.json", data=prepared)
    segmenter = load_segmenter(Path(bundles[0]))
    test = ImageFolder.read(prepared, split="test")
    counts = np.stack([
        confusion_matrix(
            segmenter.label_map(item.image), item.label_map, num_classes=3, ignore_index=255
        )
        for item in map(test.item, range(5))
    ])  # fmt: skip
    assert found["confusion"] == counts.sum(axis=0).tolist()
    assert found["miou"]["value"] == pytest.approx(miou(counts.sum(axis=0)))
    assert found["images"] == 5
    assert found["protocol"]["words"] == "whole image"
    assert found["bundles"][0]["weights_sha256"] == segmenter.weights_sha256
    assert found["bootstrap"]["unit"] == "images"
    printed = capsys.readouterr().out
    for words in (
        "protocol: whole image",
        "square",
        "calibration error",
        "5 images are too few for an interval: 6",
    ):
        assert words in printed
    assert f"{100 * found['miou']['value']:.1f} %" in printed


def test_objects_are_scored_where_the_set_has_thing_classes(
    bundles: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_toy_set(tmp_path / "set", counts={"train": 1, "test": 3}, size=(64, 72))
    add_things(data, CLASSES.class_names[1:])
    found = run(bundles[0], "--processes", "1", out=tmp_path / "one.json", data=data)
    large = ("--min-object-area", "5000")
    none = run(bundles[0], *large, out=tmp_path / "none.json", data=data)
    assert found["things"] == list(CLASSES.class_names[1:])
    assert found["objects"]["sizes"]["small"].keys() == {"found", "missed", "false"}
    assert found["object_intervals"]["pq"]["value"] == pytest.approx(found["objects"]["pq"])
    assert found["object_intervals"]["pq"]["low"] is None  # three images
    assert [row["predicted"] for row in none["objects"]["classes"]] == [0, 0]
    printed = capsys.readouterr().out
    assert "mean AP50 0.0 %" in printed
    assert "error of the count" in printed
    assert main([bundles[0], "--min-object-area", "0"]) == 2


@pytest.mark.slow
def test_any_number_of_processes_writes_the_same_bytes(
    bundles: list[str], prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    how = ["--flip", "--window", "48", "64", "--scales", "1", "1.25", "--merge", "softmax_mean"]
    outs, said = [], []
    for processes in ("1", "2"):
        outs.append(tmp_path / f"{processes}.json")
        run(*bundles, *how, "--processes", processes, out=outs[-1], data=prepared)
        said.append(capsys.readouterr().out)
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert said[0] == said[1]
    found = json.loads(outs[0].read_text())
    assert [bundle["folder"] for bundle in found["bundles"]] == bundles
    assert found["protocol"] == {
        "words": "sliding window of 48 x 64, overlap 0.33; scales 1, 1.25; flip; merged by softmax_mean",
        "window": [48, 64], "overlap": 0.33, "scales": [1.0, 1.25], "flip": True, "merge": "softmax_mean",
        "window_weights": "uniform",
    }  # fmt: skip


def test_groups_are_resampled_where_the_data_have_them(
    bundles: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The interval is that of `evaluate`: against a model that is always wrong, a score is its own difference."""
    data = write_toy_set(tmp_path / "many", counts={"train": 1, "test": 12}, size=(64, 64))
    table = pd.read_csv(data / "manifest.csv", keep_default_na=False)
    table.assign(group=[f"g{i % 6}" for i in range(len(table))]).to_csv(
        data / "manifest.csv", index=False
    )
    found = run(bundles[0], "--processes", "1", out=tmp_path / "out.json", data=data)
    assert (found["bootstrap"]["unit"], found["bootstrap"]["units"]) == ("groups", 6)
    segmenter = load_segmenter(Path(bundles[0]))
    test = ImageFolder.read(data, split="test")
    counts = np.stack([
        confusion_matrix(
            segmenter.label_map(item.image), item.label_map, num_classes=3, ignore_index=255
        )
        for item in map(test.item, range(12))
    ])[None]  # fmt: skip
    wrong = np.zeros_like(counts)
    for truth in range(3):
        wrong[..., truth, (truth + 1) % 3] = counts.sum(axis=-1)[..., truth]
    expected = compare(
        counts, wrong, groups=list(test.table["group"]), resamples=2000, confidence=0.95, seed=0
    )
    interval = expected.miou
    assert found["miou"] == {
        "value": interval.value, "low": interval.low, "high": interval.high,
    }  # fmt: skip
    assert "bootstrap over 6 groups" in capsys.readouterr().out


def test_another_split(bundles: list[str], prepared: Path, tmp_path: Path) -> None:
    found = run(bundles[0], "--split", "val", "--processes", "1", out=tmp_path / "v", data=prepared)
    assert (found["split"], found["images"]) == ("val", 2)


def test_wrong_arguments_are_one_line(
    bundles: list[str], prepared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = [bundles[0], "--data", str(prepared), "--device", "cpu"]
    for wrong, words in (
        (["--merge", "max"], "argument --merge: invalid choice: 'max'"),
        (["--split", "dev"], "argument --split: invalid choice: 'dev'"),
        (["--window", "64"], "argument --window: expected 2 arguments"),
        (["--scales", "0"], "scales: found [0.0]. Set one or more scales above 0."),
        (["--overlap", "1"], "overlap: found 1.0"),
        (["--processes", "0"], "--processes: found 0. Give 1 or more."),
        (["--device", "gpu"], "--device: found 'gpu'. Give one of: cpu"),
        (["--faster"], "unrecognized arguments: --faster"),
    ):
        assert words in refused(*known, *wrong, capsys=capsys, code=2)
    assert "required: BUNDLE" in refused(capsys=capsys, code=2)


def test_what_cannot_be_scored_is_one_line(
    bundles: list[str], prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--data", str(prepared), "--device", "cpu", "--processes", "1"]
    said = refused(str(tmp_path / "none"), *data, capsys=capsys, code=3)
    assert "none/model.json: no such file" in said
    assert "the manifest is missing" in refused(
        bundles[0], "--data", str(tmp_path), capsys=capsys, code=3
    )
    other = ClassTable(("floor", "square", "scratch"), CLASSES.palette)
    foreign = write_bundle(tmp_path / "foreign", seed=0, classes=other)
    said = refused(foreign, *data, capsys=capsys, code=3)
    assert (
        "foreign: the model has the classes ['floor', 'square', 'scratch'], but the data has"
        in said
    )
    said = refused(bundles[0], foreign, *data, capsys=capsys, code=3)
    assert bundles[0] in said
    assert foreign in said


@pytest.mark.slow
def test_an_error_in_a_process_of_its_own_is_one_line_too(
    bundles: list[str], prepared: Path, tmp_path: Path
) -> None:
    other = ClassTable(("floor", "square", "scratch"), CLASSES.palette)
    foreign = write_bundle(tmp_path / "foreign", seed=0, classes=other)
    done = subprocess.run(
        [
            sys.executable, "-m", "pipelines.score", bundles[0], foreign, "--data", str(prepared), "--processes", "2",
            "--device", "cpu",
        ],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("score: ")
    assert done.stderr.count("\n") == 1
