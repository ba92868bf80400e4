"""Evaluation of every model on the untouched test split, comparison of the arms, choice of the challenger.

| file | what |
|---|---|
| scores.json | every score of every model, the protocol, and the comparisons |
| metrics.json | the same under flat names, for DVC and MLflow |
| per_image.csv | a row per image and model |
| confusions.npz | a confusion matrix per image and model: enough to repeat any comparison |
| challenger.json | the model to register, and the reason |
| verdict.txt | the answer in one line, and its basis in another |
| gallery.csv, gallery/MODEL/ID.png | predictions for the worst and the most changed images |
| objects.csv, objects/MODEL/ID.png | with thing classes: the images with the most missed and false objects |
| plots/ | tables that `dvc plots` draws |
"""

import json
import logging
import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from ocrnet.config import Params
from ocrnet.data.csv_tables import write_csv_table
from ocrnet.data.decode import write_label_map
from ocrnet.errors import DataError
from ocrnet.evaluation.arm_comparison import StudyResult, conclude
from ocrnet.evaluation.fold_scores import flat_folds, read_folds
from ocrnet.evaluation.object_comparison import compare_objects_of_arms, flat_object_differences
from ocrnet.evaluation.object_files import write_object_gallery
from ocrnet.evaluation.object_metric import read_val_split, score_val_objects
from ocrnet.evaluation.output_files import flat_differences, flat_scores, image_mious, write_files
from ocrnet.evaluation.scored_split import TestSplit, read_test_split
from ocrnet.evaluation.scoring import (
    FOLDS,
    Cell,
    EnsembleScores,
    Loader,
    ModelScores,
    cells_of,
    score_ensemble,
    score_model,
)
from ocrnet.record import Recorder

logger = logging.getLogger(__name__)


def evaluate(
    data: Path,
    out: Path,
    *,
    params: Params,
    load: Loader,
    recorder: Recorder,
) -> StudyResult:
    """Score every model of the params on the test split and write the files in the table of this module.

    Args:
        data: Folder of the stages' outputs.
        out: Output folder.
        params: Params that name the models.
        load: Function that loads the segmenter of a bundle, or the ensemble of several, with the params' protocol.
        recorder: Recorder of the scores, under flat names.

    Raises:
        DataError: The test split is empty, a model has no validation score, or a split shows no object although
            `evaluate.metric` is a score of objects.
        BundleError: A model is missing or was trained on other classes.
    """
    split = read_test_split(data / "prepare")
    val = read_val_split(data / "prepare", split, params.evaluate)
    scores = []
    for cell in cells_of(params):
        scores.append(score_cell(cell, load, data=data, split=split, params=params, val=val))
        recorder.log(0, flat_scores(scores[-1], split))
    gan_sees = params.train_gan.sees_unlabelled
    result = conclude(scores, split, params.evaluate, gan_sees=gan_sees)
    ensembles = _score_ensembles(load, data=data, split=split, params=params)
    objects = compare_objects_of_arms(scores, result, split, params.evaluate)
    folds = read_folds(data, params.folds, split.classes.class_names)
    write_files(
        out, scores, ensembles, split=split, result=result, params=params.evaluate, data=data,
        objects=objects, folds=folds,
    )  # fmt: skip
    _write_gallery(out, scores, split=split, result=result, count=params.evaluate.worst)
    write_object_gallery(out, scores, split=split, result=result, count=params.evaluate.worst)
    metrics = flat_differences(result, split) | flat_object_differences(objects) | flat_folds(folds)
    recorder.log(0, metrics)
    everything: list[ModelScores | EnsembleScores] = [*scores, *ensembles]
    for score in everything:
        metrics |= flat_scores(score, split)
    recorder.finish(metrics)
    return result


def read_val_miou(folder: Path) -> float:
    """Return the validation mIoU of a trained model.

    Raises:
        DataError: The file is missing or has no such score.
    """
    path = folder / "val_scores.json"
    if not path.exists():
        raise DataError(
            f"{path}: the file is missing. Run `dvc repro` up to the stage that writes {folder}."
        )
    value = json.loads(path.read_text()).get("miou")
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise DataError(f"{path}: miou is {value!r}, expected a number. Train the model again.")
    return float(value)


def score_cell(
    cell: Cell,
    load: Loader,
    *,
    data: Path,
    split: TestSplit,
    params: Params,
    val: TestSplit | None = None,
) -> ModelScores:
    """Score one model on the test split by the params' protocol, and its objects on the validation split `val`.

    Raises:
        DataError: The model has no validation score.
        BundleError: The model is missing or was trained on other classes.
    """
    folder = cell.folder(data)
    segmenter = load(folder)
    score = score_model(
        cell,
        segmenter,
        split=split,
        val_miou=read_val_miou(folder),
        boundary_ratio=params.evaluate.boundary_ratio,
        min_object_area=params.evaluate.min_object_area,
    )
    logger.info("%-16s test mIoU %.4f", score.name, score.summary["miou"])
    if val is None:
        return score
    found = score_val_objects(segmenter, val, params.evaluate, place=cell.stage)
    return replace(score, val_objects=found)


def _score_ensembles(
    load: Loader, *, data: Path, split: TestSplit, params: Params
) -> list[EnsembleScores]:
    """Score the seeds of each arm as an ensemble if `evaluate.ensemble` is true, and the folds if there are any."""
    scores = []
    for cells in _ensembles_of(params):
        segmenter = load(*(cell.folder(data) for cell in cells))
        scores.append(
            score_ensemble(
                cells, segmenter, split=split, boundary_ratio=params.evaluate.boundary_ratio,
                min_object_area=params.evaluate.min_object_area,
            )
        )  # fmt: skip
        logger.info("%-16s test mIoU %.4f", scores[-1].name, scores[-1].summary["miou"])
    return scores


def _ensembles_of(params: Params) -> list[list[Cell]]:
    """Return the models of each ensemble."""
    folds = [[Cell(FOLDS, fold) for fold in params.folds]] if params.folds else []
    if not params.evaluate.ensemble:
        return folds
    if len(params.seeds) == 1:
        logger.warning("evaluate.ensemble: one seed is no ensemble. Add values to seeds.")
        return folds
    arms: dict[str, list[Cell]] = {}
    for cell in cells_of(params):
        arms.setdefault(cell.arm, []).append(cell)
    return [*arms.values(), *folds]


def choose_images(
    scores: Sequence[ModelScores], cells: tuple[Cell, Cell], *, split: TestSplit, count: int
) -> pd.DataFrame:
    """Return the test images to show: those with the worst scores of the retrained model and the largest changes.

    Args:
        scores: Scores of every model.
        cells: Baseline and retrained model to show.
        split: Test split.
        count: Number of images of each kind.
    """
    by_cell = {score.cell: image_mious(score) for score in scores}
    table = pd.DataFrame(
        {"id": split.ids, "baseline": by_cell[cells[0]], "retrained": by_cell[cells[1]]}
    ).dropna()
    worst = table.sort_values(["retrained", "id"]).head(count).assign(why="worst")
    rest = table.drop(worst.index)
    order = (rest["retrained"] - rest["baseline"]).abs().sort_values(ascending=False, kind="stable")
    changed = rest.loc[order.index].head(count).assign(why="changed")
    return pd.concat([worst, changed])[["id", "why", "baseline", "retrained"]]


def _write_gallery(
    out: Path, scores: Sequence[ModelScores], *, split: TestSplit, result: StudyResult, count: int
) -> None:
    cells = result.shown_pair
    shown = choose_images(scores, cells, split=split, count=count)
    write_csv_table(out / "gallery.csv", shown)
    shutil.rmtree(out / "gallery", ignore_errors=True)  # of an earlier run with other models
    for score in scores:
        if score.cell in cells:
            _write_predictions(out / "gallery" / score.cell.name, score, shown, split)


def _write_predictions(
    folder: Path, score: ModelScores, shown: pd.DataFrame, split: TestSplit
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index in shown.index:
        row = split.table.loc[index]
        write_label_map(
            folder / f"{row['id']}.png",
            score.prediction(index, (int(row["height"]), int(row["width"]))),
            palette=split.classes.palette,
            ignore_index=split.classes.ignore_index,
        )
