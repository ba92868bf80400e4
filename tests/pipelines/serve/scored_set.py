"""Scores of the models of the tests on a prepared set, as the stage `evaluate` writes them."""

import json
from pathlib import Path

import pandas as pd

from ocrnet.bundles.bundle import read_card
from ocrnet.data.csv_tables import write_csv_table
from ocrnet.evaluation.scored_split import read_test_split
from tests.ocrnet.conftest import write_toy_set

WORST = ("test_02", "test_00", "test_03", "test_01")  # by the scores below
MIOU = {"test_00": 0.25, "test_01": 0.875, "test_02": 0.125, "test_03": 0.5}


def write_scored_set(data: Path, bundle: Path, *, test_images: int = 4) -> Path:
    """Write a prepared set and the scores of a bundle on it, and return the folder of both."""
    write_toy_set(data / "prepare", counts={"train": 2, "val": 1, "test": test_images})
    split = read_test_split(data / "prepare")
    models = [
        {"model": "gan-0", "weights_sha256": "f" * 64, "miou": 0.99, "iou": [0.99] * 3},
        {
            "model": "train-0", "weights_sha256": read_card(bundle).weights_sha256, "miou": 0.4375,
            "iou": [0.75, 0.5, None], "val_miou": 0.375, "accuracy": 0.625,
        },
    ]  # fmt: skip
    scores = {
        "models": models, "test_sha256": split.sha256, "protocol": {"words": "whole image"},
    }  # fmt: skip
    folder = data / "evaluate"
    folder.mkdir()
    (folder / "scores.json").write_text(json.dumps(scores))
    rows = [(name, "gan-0", 0.9) for name in MIOU]
    rows += [(name, "train-0", value) for name, value in MIOU.items()]
    table = pd.DataFrame(rows, columns=["id", "model", "miou"]).assign(group="1")
    write_csv_table(folder / "per_image.csv", table[["id", "group", "model", "miou"]])
    return data
