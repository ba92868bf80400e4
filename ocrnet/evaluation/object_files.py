"""The scores of objects under flat names, per image, and the images of the report."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ocrnet.config.evaluation import METRICS
from ocrnet.data.csv_tables import write_csv_table
from ocrnet.data.instance_maps import write_instances
from ocrnet.evaluation.arm_comparison import StudyResult
from ocrnet.evaluation.scored_split import TestSplit
from ocrnet.evaluation.scoring import ModelScores
from ocrnet.objects.set_scores import OBJECT_SCORES
from ocrnet.objects.summary import MEANS, SIZES, ObjectTally

NAMES = dict(zip(MEANS, ("AP", "AP50", "AP75", "AR", "PQ", "SQ", "RQ"), strict=True))
GALLERY_FILE, GALLERY = "objects.csv", "objects"


def flat_objects(summary: dict[str, Any], place: str) -> dict[str, float]:
    """Return the defined scores of the objects of a model under flat metric names; empty without thing classes.

    Args:
        summary: Summary of the scores of a model.
        place: First part of the names, such as `test/train-0`.
    """
    found = summary.get("objects")
    if found is None:
        return {}
    flat = {f"{place}/{name}": found[key] for key, name in NAMES.items()}
    flat[f"{place}/object_count_error"] = found["count_error"]
    for size in SIZES:
        for kind, count in found["sizes"][size].items():
            flat[f"{place}/objects_{kind}/{size}"] = float(count)
    return {name: value for name, value in flat.items() if value is not None}


def flat_val_objects(summary: dict[str, Any], place: str) -> dict[str, float]:
    """Return PQ and AP50 on the validation images under flat metric names; empty if they do not choose models.

    Args:
        summary: Summary of the scores of a model.
        place: First part of the names, such as `val/`.
    """
    found = {METRICS[name]: summary.get(f"val_{name}") for name in OBJECT_SCORES}
    return {f"{place}{word}": value for word, value in found.items() if value is not None}


def object_columns(tally: ObjectTally | None) -> dict[str, list[int]]:
    """Return the numbers of true, found, missed and false objects of each image, by column name."""
    if tally is None:
        return {}
    images = tally.images
    return {
        "objects": [len(image.found) for image in images],
        "found": [int(image.found.sum()) for image in images],
        "missed": [image.missed for image in images],
        "false": [image.false for image in images],
    }


def write_object_gallery(
    out: Path, scores: Sequence[ModelScores], *, split: TestSplit, result: StudyResult, count: int
) -> None:
    """Write the predicted objects of both shown models for the images with the most missed and false objects."""
    shutil.rmtree(out / GALLERY, ignore_errors=True)
    (out / GALLERY_FILE).unlink(missing_ok=True)
    if not split.things:
        return
    tallies = {score.cell: score.objects for score in scores if score.cell in result.shown_pair}
    table = pd.DataFrame({"id": split.ids})
    for word, cell in zip(("baseline", "retrained"), result.shown_pair, strict=True):
        columns = object_columns(tallies[cell])
        table["objects"] = columns["objects"]
        for kind in ("missed", "false"):
            table[f"{word}_{kind}"] = columns[kind]
    wrong = table["retrained_missed"] + table["retrained_false"]
    shown = table.loc[wrong[wrong > 0].sort_values(ascending=False, kind="stable").index].head(
        count
    )
    write_csv_table(out / GALLERY_FILE, shown)
    for cell, tally in tallies.items():
        folder = out / GALLERY / cell.name
        folder.mkdir(parents=True)
        for index in shown.index:
            assert tally is not None
            write_instances(folder / f"{split.ids[index]}.png", tally.images[index].numbers)
