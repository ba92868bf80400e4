"""The seeds of an arm together, scored as one model."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ocrnet.evaluation.scored_split import read_test_split
from ocrnet.metrics import miou
from ocrnet.report import render_report
from tests.ocrnet.evaluation.evaluated import (
    ColourSegmenter,
    list_of,
    params_of,
    read,
    run,
    write_world,
)
from tests.ocrnet.report.test_report import Page


def test_seeds_together_are_a_row_that_decides_nothing(tmp_path: Path) -> None:
    write_world(tmp_path, seeds=(0, 3))
    without = run(tmp_path, params_of(seeds=[0, 3]))
    before = read(tmp_path, "challenger.json"), read(tmp_path, "scores.json")
    evaluating = {"bootstrap": 200, "worst": 2, "rare_share": 0.1, "ensemble": True}
    metrics = run(tmp_path, params_of(seeds=[0, 3], evaluate=evaluating))
    scores = read(tmp_path, "scores.json")
    assert read(tmp_path, "challenger.json") == before[0]
    assert {**scores, "ensembles": []} == before[1]
    # Both seeds of this world are one model, and so is their mean.
    for arm in ("train", "gan"):
        assert metrics[f"test/{arm}-ensemble/mIoU"] == metrics[f"test/{arm}-0/mIoU"]
        assert f"test/{arm}-ensemble/val_mIoU" not in metrics
    assert {name: metrics[name] for name in without} == without
    assert [(row["model"], row["seeds"]) for row in list_of(scores, "ensembles")] == [
        ("train-ensemble", [0, 3]),
        ("gan-ensemble", [0, 3]),
    ]
    rows = pd.read_csv(tmp_path / "evaluate/per_image.csv")
    assert (rows["model"] == "gan-ensemble").sum() == 8
    assert "gan-ensemble" in Page(render_report(tmp_path)).text


def test_an_ensemble_is_not_the_mean_of_scores(tmp_path: Path) -> None:
    """A seed that knows the colour and one that does not are scored as one model, by their mean probability."""
    write_world(tmp_path, seeds=(0, 3))
    baseline = (tmp_path / "train/0/colours.json").read_bytes()
    (tmp_path / "retrain/gan-3/colours.json").write_bytes(baseline)
    evaluating = {"bootstrap": 200, "worst": 2, "ensemble": True}
    metrics = run(tmp_path, params_of(seeds=[0, 3], evaluate=evaluating))
    folders = (tmp_path / "retrain/gan-0", tmp_path / "retrain/gan-3")
    parts = [ColourSegmenter(folder) for folder in folders]
    confusion = np.zeros((3, 3), np.int64)
    for image, truth in read_test_split(tmp_path / "prepare").images():
        predicted = np.sum([part.probabilities(image) for part in parts], axis=0).argmax(axis=0)
        np.add.at(confusion, (truth.reshape(-1), predicted.reshape(-1)), 1)
    assert metrics["test/gan-ensemble/mIoU"] == pytest.approx(miou(confusion))


def test_one_seed_is_no_ensemble_and_a_warning_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_world(tmp_path)
    run(tmp_path, params_of(evaluate={"bootstrap": 200, "worst": 2, "ensemble": True}))
    assert read(tmp_path, "scores.json")["ensembles"] == []
    assert "one seed is no ensemble" in caplog.text
