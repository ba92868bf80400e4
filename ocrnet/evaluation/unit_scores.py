"""The scores of an arm over any draw of the images or groups of a test set, from sums of confusion matrices.

A unit is what is drawn: an image, or a group of images. Each unit is counted once, as three sums per class, so that the
scores of thousands of draws are one product of matrices.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Integer

from ocrnet.metrics import iou_of_sums


def resampling_units(groups: Sequence[str]) -> tuple[str, Integer[np.ndarray, " N"]]:
    """Return the kind of unit to resample, and the unit of each image.

    Images of a group are similar, so groups are the units as soon as two images share a group.
    """
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < len(groups):
        return "groups", index
    return "images", np.arange(len(groups))


def unit_sums(
    confusions: Integer[np.ndarray, "S N K K"], index: Integer[np.ndarray, " N"]
) -> Integer[np.ndarray, "S U 3 K"]:
    """Sum true positives, true pixels and predicted pixels per seed and unit."""
    hits = np.diagonal(confusions, axis1=-2, axis2=-1)
    parts = np.stack([hits, confusions.sum(-1), confusions.sum(-2)], axis=2)
    sums = np.zeros((parts.shape[0], int(index.max()) + 1, *parts.shape[2:]), dtype=np.int64)
    for one, total in zip(parts, sums, strict=True):
        np.add.at(total, index, one)
    return sums


def mean_scores(
    sums: Integer[np.ndarray, "S U 3 K"], drawn: Integer[np.ndarray, "R U"]
) -> Float[np.ndarray, "R K+1"]:
    """Return, per resample, the mean over seeds of the IoU of each class and, last, of the mIoU.

    Args:
        sums: Result of `unit_sums`.
        drawn: Number of times that each unit is in a resample.
    """
    return np.asarray(scores_by_seed(sums, drawn).mean(axis=0))


def scores_by_seed(
    sums: Integer[np.ndarray, "S U 3 K"], drawn: Integer[np.ndarray, "R U"]
) -> Float[np.ndarray, "S R K+1"]:
    """Return, per seed and resample, the IoU of each class and, last, the mIoU."""
    return np.stack([_iou_and_mean(_add_units(drawn, one)) for one in sums])


def mixed_scores(
    own: Integer[np.ndarray, "S U 3 K"],
    other: Integer[np.ndarray, "S U 3 K"],
    swaps: Integer[np.ndarray, "R U"],
) -> Float[np.ndarray, "R K+1"]:
    """Return the scores of an arm, like `mean_scores`, with another arm's predictions in some units."""
    parts = [
        _iou_and_mean(_add_units(1 - swaps, mine) + _add_units(swaps, theirs))
        for mine, theirs in zip(own, other, strict=True)
    ]
    return np.asarray(np.mean(parts, axis=0))


def _add_units(
    drawn: Integer[np.ndarray, "R U"], sums: Integer[np.ndarray, "U 3 K"]
) -> Float[np.ndarray, "R 3 K"]:
    # Exact: the sums are integers far below 2^53.
    flat = sums.reshape(len(sums), -1).astype(np.float64)
    return np.asarray((drawn.astype(np.float64) @ flat).reshape(-1, *sums.shape[1:]))


def _iou_and_mean(parts: Float[np.ndarray, "R 3 K"]) -> Float[np.ndarray, "R K+1"]:
    hits, true, predicted = np.moveaxis(parts, 1, 0)
    present = true > 0
    iou = iou_of_sums(hits, true=true, predicted=predicted)
    mean = np.where(present, iou, 0.0).sum(1) / np.maximum(present.sum(1), 1)
    return np.column_stack([iou, mean])


def holders(sums: Integer[np.ndarray, "S U 3 K"]) -> Integer[np.ndarray, " K+1"]:
    """Return the number of units that show each class and, last, the number of all units."""
    holding = (sums[0, :, 1] > 0).sum(axis=0)
    return np.append(holding, sums.shape[1])
