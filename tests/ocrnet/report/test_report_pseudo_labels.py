"""The page tells what is kept of each class, what an arm may use and what it costs, and only where it is so."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from ocrnet.data.pseudo_shares import COLUMNS, PAIRS, SHEET_FILE, write_shares
from ocrnet.record import write_record
from ocrnet.report import render_report
from ocrnet.self_training.pairs import write_no_pairs
from tests.ocrnet.evaluation.evaluated import (
    NAMES,
    PALETTE,
    params_of,
    run,
    write_model,
    write_world,
)
from tests.ocrnet.report.test_report import Page


def write_labels(folder: Path) -> None:
    """Write what the stage leaves: 2.5 % of the pixels are dents, and no rust is predicted."""
    write_no_pairs(folder / PAIRS)
    nan = float("nan")
    rows = [
        ("ground", "own", 900, 0.712, 0.97, 0.9, 0.95, 0.9, 0.947368),
        ("dent", "own", 250, 0.5, 0.6, 0.25, 0.05, 0.025, 0.5),
        ("rust", "pooled", 0, 0.8, 0.9, 0.7, 0.0, 0.0, nan),
    ]
    write_shares(folder, pd.DataFrame(rows, columns=list(COLUMNS)))
    counts = {"pseudo_label/images": 8, "pseudo_label/pairs": 7, "pseudo_label/kept_share": 0.925}
    (folder / "metrics.json").write_text(json.dumps(counts))
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(folder / SHEET_FILE)
    params = {"pseudo_label.precision": 0.875}
    write_record(folder, stage="pseudo_label@0", fingerprint="f0", params=params)


def text_of_page(data: Path) -> str:
    """Return the text without spaces: there are none between the cells of a table."""
    return "".join(Page(render_report(data)).text.split())


def test_the_page_shows_pseudo_labels_files_and_cost(tmp_path: Path) -> None:
    write_world(tmp_path)
    write_labels(tmp_path / "pseudo_label" / "0")
    write_model(tmp_path / "retrain/gan+self_training-0", NAMES, dent=PALETTE[1], val_miou=0.8)
    arms = ["gan", "gan+self_training"]
    run(tmp_path, params_of(retrain={"arms": arms}, data={"unlabelled": "extra"}))
    text = text_of_page(tmp_path)
    for words in (
        "7 of 8 images have labels, on 92.5 % of all pixels",
        "ground 0.712 97.0 % 90.0 % 95.0 % 90.0 % 94.7 %",
        "dent 0.500 60.0 % 25.0 % 5.0 % 2.5 % 50.0 %",
        "rust pooled 0.800 90.0 % 70.0 % 0.0 % 0.0 % n/a",
        # A step costs no more: the pairs take the place of labelled images.
        "1, after the training of the GAN and the labelling of the unlabelled images by the baseline",
        "labelled and unlabelled images",
        "pseudo_label.precision 0.875",
        "pseudo_label/0/pairs/manifest.csv",
    ):
        assert words.replace(" ", "") in text


def test_without_such_an_arm_the_page_has_no_word_about_them(tmp_path: Path) -> None:
    write_world(tmp_path)
    run(tmp_path, params_of())
    before = render_report(tmp_path)
    write_no_pairs(tmp_path / "pseudo_label" / "0" / PAIRS)
    assert render_report(tmp_path) == before
    assert "seudo-label" not in before
