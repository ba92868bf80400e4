"""Scores over the images of a split, from the matchings of each; images may count several times.

`weights` (R, U) says how often each image (or group of images) counts in each of R resamples; one row of ones is the
split itself. So a bootstrap needs no new matching. PQ = sum of IoU / (TP + FP / 2 + FN / 2) (arXiv:1801.00868, Eq. 1);
AP50 is COCO's: precision, made falling, at the recalls 0, 0.01, ..., 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64, Num

from ocrnet.objects.matching import IGNORED, ObjectCounts

RECALLS = np.linspace(0.0, 1.0, 101)
HALF = 0.5
Weights = Num[np.ndarray, "R U"]


@dataclass(frozen=True, eq=False)
class UnitCounts:
    """The matchings of one model over a split, in units that are resampled.

    Args:
        sums: Sum of IoU, TP, FP and FN per unit and thing class (panoptic).
        true: Number of true objects per unit and thing class.
        units: Unit of each predicted object that COCO counts, by falling score.
        columns: Column of its class.
        scores: Its score.
        hits: Whether it has a match.
        hit_ious: IoU with its match.
    """

    sums: Float[np.ndarray, "U 4 T"]
    true: Int64[np.ndarray, "U T"]
    units: Int64[np.ndarray, " D"]
    columns: Int64[np.ndarray, " D"]
    scores: Float[np.ndarray, " D"]
    hits: Bool[np.ndarray, " D"]
    hit_ious: Float[np.ndarray, " D"]


def unit_counts(
    images: Sequence[ObjectCounts], index: Int64[np.ndarray, " N"] | None = None
) -> UnitCounts:
    """Return the matchings of some images, the unit of each given by `index`; by default each is a unit."""
    units = np.arange(len(images)) if index is None else index
    things = np.array(images[0].things)
    sums = np.zeros((int(units.max()) + 1, 4, len(things)))
    true = np.zeros((len(sums), len(things)), np.int64)
    for unit, image in zip(units, images, strict=True):
        sums[unit] += _sums(image, things)
        true[unit] += (image.true_classes[:, None] == things).sum(axis=0)
    return _sorted(images, units, things, sums, true)


def _sums(image: ObjectCounts, things: Int64[np.ndarray, " T"]) -> Float[np.ndarray, "4 T"]:
    of_class = image.classes[:, None] == things
    hit = (image.ious > 0)[:, None]
    false = (image.counted & (image.ious == 0))[:, None]
    missed = (image.true_classes[:, None] == things) & ~image.found[:, None]
    return np.stack([
        (of_class * image.ious[:, None]).sum(0), (of_class & hit).sum(0),
        (of_class & false).sum(0), missed.sum(0),
    ])  # fmt: skip


def _sorted(
    images: Sequence[ObjectCounts],
    units: Int64[np.ndarray, " N"],
    things: Int64[np.ndarray, " T"],
    sums: Float[np.ndarray, "U 4 T"],
    true: Int64[np.ndarray, "U T"],
) -> UnitCounts:
    """Return the predicted objects of all images by falling score; equal scores keep the order of the images."""
    scores = np.concatenate([image.scores for image in images])
    hits = np.concatenate([image.hits for image in images])
    ious = np.concatenate([image.hit_ious for image in images])
    classes = np.concatenate([image.classes for image in images])
    places = np.repeat(units, [len(image.scores) for image in images])
    # COCO sorts an image's objects first, which orders equal scores of one image by their place in it.
    order = np.argsort(-scores, kind="stable")
    order = order[hits[order] != IGNORED]
    columns = np.searchsorted(things, classes[order])
    return UnitCounts(sums, true, places[order], columns, scores[order], hits[order] == 1, ious[order])  # fmt: skip


def join(first: UnitCounts, second: UnitCounts) -> UnitCounts:
    """Return the units of two models one after the other, their predicted objects by falling score."""
    scores = np.concatenate([first.scores, second.scores])
    order = np.argsort(-scores, kind="stable")
    parts = (
        (first.units, second.units + len(first.true)), (first.columns, second.columns),
        (first.scores, second.scores), (first.hits, second.hits), (first.hit_ious, second.hit_ious),
    )  # fmt: skip
    sums, true = (np.concatenate(both) for both in ((first.sums, second.sums), (first.true, second.true)))  # fmt: skip
    return UnitCounts(sums, true, *(np.concatenate(both)[order] for both in parts))


def panoptic_quality(counts: UnitCounts, weights: Weights) -> Float[np.ndarray, "R T"]:
    """Return PQ of each thing class per resample; nan if neither truth nor prediction shows it."""
    iou, hits, false, missed = np.moveaxis(_added(counts, weights), 1, 0)
    return _ratio(iou, hits + false / 2 + missed / 2)


def quality_parts(counts: UnitCounts) -> tuple[Float[np.ndarray, " T"], Float[np.ndarray, " T"]]:
    """Return SQ and RQ of each thing class, whose product is PQ; nan where they are not defined."""
    iou, hits, false, missed = counts.sums.sum(axis=0)
    return _ratio(iou, hits), _ratio(hits, hits + false / 2 + missed / 2)


def average_precision(counts: UnitCounts, weights: Weights) -> Float[np.ndarray, "R T"]:
    """Return AP50 of each thing class per resample; nan if the truth does not show it."""
    found = np.full((len(weights), counts.true.shape[1]), np.nan)
    for column in range(found.shape[1]):
        own = counts.columns == column
        units, hits = counts.units[own], counts.hits[own]
        total = weights @ counts.true[:, column]
        for row in np.flatnonzero(total > 0):
            times = weights[row, units]
            recall, precision = _curve(times * hits, times * ~hits, float(total[row]))
            found[row, column] = _at(recall, precision).mean()
    return found


def class_curve(
    counts: UnitCounts, column: int
) -> tuple[Float[np.ndarray, " D"], Float[np.ndarray, " D"], Float[np.ndarray, " D"]]:
    """Return recall, precision (made falling) and mean IoU of the matches of a class, by falling score."""
    own = counts.columns == column
    hits = counts.hits[own]
    recall, precision = _curve(hits * 1.0, ~hits * 1.0, float(counts.true[:, column].sum()))
    return recall, precision, _ratio(np.cumsum(counts.hit_ious[own]), np.cumsum(hits))


def precision_at_recall(counts: UnitCounts, column: int) -> float:
    """Return the largest precision at a recall of at least 50 %; 0 if that recall is not reached."""
    recall, precision, _ = class_curve(counts, column)
    reached = precision[recall >= HALF]
    return float(reached.max()) if reached.size else 0.0


def recall_at_precision(counts: UnitCounts, column: int) -> float:
    """Return the largest recall at a precision of at least 50 %; 0 if that precision is not reached."""
    recall, precision, _ = class_curve(counts, column)
    reached = recall[precision >= HALF]
    return float(reached.max()) if reached.size else 0.0


def iou_at_recall(counts: UnitCounts, column: int) -> float:
    """Return the mean IoU of the matches down to the score at which half of the objects are found; nan if never."""
    recall, _, ious = class_curve(counts, column)
    reached = np.flatnonzero(recall >= HALF)
    return float(ious[reached[0]]) if reached.size else float("nan")


def _added(counts: UnitCounts, weights: Weights) -> Float[np.ndarray, "R 4 T"]:
    flat = counts.sums.reshape(len(counts.sums), -1)
    return np.asarray((weights.astype(np.float64) @ flat).reshape(-1, *counts.sums.shape[1:]))


def _curve(
    hits: Num[np.ndarray, " D"], false: Num[np.ndarray, " D"], total: float
) -> tuple[Float[np.ndarray, " D"], Float[np.ndarray, " D"]]:
    tp, fp = np.cumsum(hits), np.cumsum(false)
    precision = tp / np.maximum(tp + fp, np.spacing(1.0))
    return tp / total, np.maximum.accumulate(precision[::-1])[::-1]


def _at(
    recall: Float[np.ndarray, " D"], precision: Float[np.ndarray, " D"]
) -> Float[np.ndarray, "101"]:
    places = np.searchsorted(recall, RECALLS, side="left")
    return np.append(precision, 0.0)[places]


def _ratio(over: Num[np.ndarray, "*S"], under: Num[np.ndarray, "*S"]) -> Float[np.ndarray, "*S"]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.divide(over, under, dtype=np.float64))
