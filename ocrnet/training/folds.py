"""Folds of the training images: each model is trained without one fold, which it is then scored on.

The split val still chooses the weights of a training, so the score on the fold that was held out is of images that had
no part in it: an out-of-fold score. Every training image has one, and together they are more images than val has. The
test split is not looked at.

| file | what |
|---|---|
| fold_scores.json | the fold, its images and groups, and the confusion matrix over them |
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool

from ocrnet.bundles.bundle import load_bundle
from ocrnet.data.files import write_whole
from ocrnet.distributed.ranks import gather_names, rank
from ocrnet.errors import DataError
from ocrnet.runtime import training_device
from ocrnet.training.data import TrainingData
from ocrnet.training.dataset import ImageFolder
from ocrnet.training.validation import score_folder

FOLD_FILE = "fold_scores.json"


def split_folds(
    groups: Sequence[str], count: int, *, key: str = "folds"
) -> list[Bool[np.ndarray, " N"]]:
    """Return for each fold which images are in it: groups stay whole, the next largest goes to the smallest fold.

    Args:
        groups: Group of each image.
        count: Number of folds.
        key: Param or option that gives the number, for the message.

    Raises:
        DataError: There are fewer groups than folds.

    Examples:
        >>> [fold.tolist() for fold in split_folds(["a", "a", "b", "c"], 2)]
        [[True, True, False, False], [False, False, True, True]]
    """
    names, sizes = np.unique(np.array(groups, dtype=object), return_counts=True)
    if len(names) < count:
        raise DataError(
            f"{key}: found {count}, but the training images are of {len(names)} groups, which stay whole. Give fewer."
        )
    members: list[set[str]] = [set() for _ in range(count)]
    filled = [0] * count
    for index in np.argsort(-sizes, kind="stable"):
        smallest = filled.index(min(filled))
        members[smallest].add(names[index])
        filled[smallest] += int(sizes[index])
    return [np.array([group in fold for group in groups], dtype=bool) for fold in members]


def without_fold(
    data: TrainingData, held_out: Bool[np.ndarray, " N"]
) -> tuple[TrainingData, ImageFolder]:
    """Return training data without the images of a fold, and these images."""
    folder, table = data.real.folder, data.real.table
    rest, fold = (table[rows].reset_index(drop=True) for rows in (~held_out, held_out))
    return replace(data, real=ImageFolder(folder, rest)), ImageFolder(folder, fold)


def score_fold(out: Path, fold: ImageFolder, *, number: int) -> dict[str, Any]:
    """Score the bundle in `out` on the images that its training did not see, and write the scores beside it.

    In a training by several processes each of them calls this function.

    Args:
        out: Folder of the bundle.
        fold: Images of the fold.
        number: Number of the fold, from 1.
    """
    gather_names([])  # the first process has written the bundle when all have arrived here
    model, card = load_bundle(out)
    device = training_device()
    mean, std = (torch.tensor(of, device=device).view(1, 3, 1, 1) for of in (card.mean, card.std))
    confusion = score_folder(
        model.to(device), fold, num_classes=card.classes.num_classes,
        ignore_index=card.classes.ignore_index, mean=mean, std=std,
    )  # fmt: skip
    scores = _scores(confusion, fold, number)
    if rank() == 0:
        write_whole(out / FOLD_FILE, json.dumps(scores, indent=1) + "\n")
    return scores


def _scores(confusion: npt.NDArray[np.int64], fold: ImageFolder, number: int) -> dict[str, Any]:
    return {
        "fold": number,
        "images": len(fold),
        "groups": int(fold.table["group"].nunique()),
        "confusion": confusion.tolist(),
    }
