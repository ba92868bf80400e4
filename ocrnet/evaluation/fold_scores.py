"""Out-of-fold scores: of each fold, their mean, and over all training images together."""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ocrnet.errors import DataError
from ocrnet.evaluation.scoring import FOLDS
from ocrnet.metrics import miou, per_class_iou

FOLD_FILE = "fold_scores.json"
Json = dict[str, Any]


def read_folds(data: Path, folds: Sequence[int], class_names: Sequence[str]) -> Json | None:
    """Return the out-of-fold scores that the stage `train_fold` wrote; None without folds.

    The mean and the deviation are over the folds. `miou` and `iou` are of the confusion matrix over all images, each
    predicted by the model that did not see it: a fold without an object of a rare class does not distort them.

    Args:
        data: Folder of the stages' outputs.
        folds: Numbers of the folds.
        class_names: Names of the classes.

    Raises:
        DataError: The scores of a fold are missing, or of other classes.
    """
    if not folds:
        return None
    rows, total = [], np.zeros((len(class_names),) * 2, dtype=np.int64)
    for fold in folds:
        found = _read(data / FOLDS / str(fold) / FOLD_FILE)
        confusion = np.array(found["confusion"], dtype=np.int64)
        if confusion.shape != total.shape:
            raise DataError(
                f"{FOLDS}@{fold}: the scores are of {len(confusion)} classes, but the data has {len(total)}. Run "
                "`dvc repro` to train it again."
            )
        total += confusion
        rows.append({name: found[name] for name in ("fold", "images", "groups")} | _ious(confusion))
    values = [row["miou"] for row in rows if row["miou"] is not None]
    return {
        "folds": rows,
        "mean": statistics.fmean(values) if values else None,
        "deviation": statistics.stdev(values) if len(values) > 1 else None,
        **_ious(total),
    }


def flat_folds(found: Json | None) -> dict[str, float]:
    """Return the mIoU of each fold, their mean, and the one over all images, under flat metric names."""
    if found is None:
        return {}
    values = {f"fold/{row['fold']}/mIoU": row["miou"] for row in found["folds"]}
    values |= {"fold/mean_mIoU": found["mean"], "fold/mIoU": found["miou"]}
    return {name: value for name, value in values.items() if value is not None}


def _ious(confusion: np.ndarray) -> Json:
    ious = [None if np.isnan(value) else float(value) for value in per_class_iou(confusion)]
    mean = miou(confusion)
    return {"miou": None if np.isnan(mean) else float(mean), "iou": ious}


def _read(path: Path) -> Json:
    if not path.exists():
        raise DataError(f"{path}: the file is missing. Run `dvc repro` up to the stage {FOLDS}.")
    found: Json = json.loads(path.read_text())
    return found
