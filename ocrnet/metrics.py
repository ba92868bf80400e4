"""Segmentation scores, all from sums over a whole data set.

Each `*_counts` function returns sums that can be added over images, and the function without that suffix computes a
score from the sums; so a score does not depend on batches. Scores are in [0, 1].

mIoU is the mean of TP / (TP + FP + FN) over the classes that the truth of the whole set shows, from one confusion
matrix. So two models are always averaged over the same classes. A pixel that is predicted as a class that the truth
does not show is a false negative of its true class. Ignored pixels are never counted. `docs/models.md` compares this
with other programs.
"""

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int64, Integer, Num

from ocrnet.errors import DataError

CALIBRATION_BINS = 15


def confusion_matrix(
    predicted: Integer[np.ndarray, "*S"],
    truth: Integer[np.ndarray, "*S"],
    *,
    num_classes: int,
    ignore_index: int,
) -> Int64[np.ndarray, "K K"]:
    """Count pixels by true class (row) and predicted class (column).

    Raises:
        DataError: A pixel that is not ignored has an id that is no class.
    """
    valid = truth != ignore_index
    rows = truth[valid].astype(np.int64)
    columns = predicted[valid].astype(np.int64)
    _check_ids("label map", rows, num_classes, ignore_index)
    _check_ids("prediction", columns, num_classes, ignore_index)
    counts = np.bincount(rows * num_classes + columns, minlength=num_classes**2)
    return counts.astype(np.int64).reshape(num_classes, num_classes)


def per_class_iou(confusion: Integer[np.ndarray, "*B K K"]) -> Float[np.ndarray, "*B K"]:
    """Return TP / (TP + FP + FN) of each class; nan if the truth does not show it."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    return iou_of_sums(hits, true=confusion.sum(-1), predicted=confusion.sum(-2))


def iou_of_sums(
    hits: Num[np.ndarray, "*B K"],
    *,
    true: Num[np.ndarray, "*B K"],
    predicted: Num[np.ndarray, "*B K"],
) -> Float[np.ndarray, "*B K"]:
    """Return the IoU of each class from pixel counts; nan if the truth does not show it.

    Args:
        hits: Number of true positive pixels per class.
        true: Number of pixels of each class in the truth.
        predicted: Number of pixels of each class in the prediction.
    """
    return np.where(true > 0, _ratio(hits, true + predicted - hits), np.nan)


def miou(confusion: Integer[np.ndarray, "K K"]) -> float:
    """Return the mean of `per_class_iou` over the classes that the truth shows; nan if it shows none."""
    return _mean(per_class_iou(confusion))


def per_class_precision(confusion: Integer[np.ndarray, "K K"]) -> Float[np.ndarray, " K"]:
    """Return TP / (TP + FP) of each class; nan if the truth does not show it or no pixel is predicted as it."""
    hits, shown = np.diagonal(confusion), confusion.sum(1) > 0
    return np.where(shown, _ratio(hits, confusion.sum(0)), np.nan)


def per_class_recall(confusion: Integer[np.ndarray, "K K"]) -> Float[np.ndarray, " K"]:
    """Return TP / (TP + FN) of each class; nan if the truth does not show it."""
    return _ratio(np.diagonal(confusion), confusion.sum(1))


def per_class_dice(confusion: Integer[np.ndarray, "K K"]) -> Float[np.ndarray, " K"]:
    """Return 2 TP / (2 TP + FP + FN) of each class, also called F1; nan if the truth does not show it."""
    iou = per_class_iou(confusion)
    return np.asarray(2 * iou / (1 + iou))


def pixel_accuracy(confusion: Integer[np.ndarray, "K K"]) -> float:
    """Return the share of correctly classified pixels; nan without pixels."""
    return float(_ratio(np.trace(confusion), confusion.sum()))


def mean_accuracy(confusion: Integer[np.ndarray, "K K"]) -> float:
    """Return the mean recall over the classes that the truth shows; nan if it shows none."""
    return _mean(per_class_recall(confusion))


def boundary_counts(
    predicted: Integer[np.ndarray, "H W"],
    truth: Integer[np.ndarray, "H W"],
    *,
    num_classes: int,
    ignore_index: int,
    ratio: float,
) -> Int64[np.ndarray, "K 2"]:
    """Count, per class, intersection and union of the true and the predicted boundary band.

    The band of a class is its pixels with a chessboard distance of at most d = max(1, round(`ratio` * image
    diagonal)) pixels from a pixel of another class or from the outside of the image (boundary IoU,
    arXiv:2103.16562). An ignored pixel makes no boundary and is in no band.
    """
    valid = truth != ignore_index
    distance = max(1, round(ratio * float(np.hypot(*truth.shape))))
    true_band = _band(truth, valid, distance)
    predicted_band = _band(predicted, valid, distance)
    both = true_band & predicted_band & (truth == predicted)
    count = [
        np.bincount(ids[where].astype(np.int64), minlength=num_classes)
        for ids, where in ((truth, both), (truth, true_band), (predicted, predicted_band))
    ]
    return np.stack([count[0], count[1] + count[2] - count[0]], axis=1).astype(np.int64)


def boundary_iou(counts: Integer[np.ndarray, "K 2"]) -> Float[np.ndarray, " K"]:
    """Return the IoU of the boundary bands of each class; nan if there is no band."""
    return _ratio(counts[:, 0], counts[:, 1])


def calibration_counts(
    probabilities: Float[np.ndarray, "K H W"],
    truth: Integer[np.ndarray, "H W"],
    *,
    ignore_index: int,
) -> Float[np.ndarray, "3 15"]:
    """Sum, per bin of the top probability: pixels, top probability, correct pixels.

    Bin i of 15 contains the top probabilities in (i / 15, (i + 1) / 15] (arXiv:1706.04599, section 2).
    """
    valid = truth != ignore_index
    top = probabilities.max(axis=0)[valid].astype(np.float64)
    right = (probabilities.argmax(axis=0) == truth)[valid]
    bins = np.clip(np.ceil(top * CALIBRATION_BINS).astype(np.int64) - 1, 0, CALIBRATION_BINS - 1)
    weights = (np.ones_like(top), top, right.astype(np.float64))
    return np.stack([np.bincount(bins, weights=w, minlength=CALIBRATION_BINS) for w in weights])


def calibration_error(counts: Float[np.ndarray, "3 15"]) -> float:
    """Return the expected calibration error; nan without pixels.

    It is the mean over pixels of |confidence - accuracy| of their bin.
    """
    pixels, confidence, right = counts
    return float(_ratio(np.abs(confidence - right).sum(), pixels.sum()))


def _check_ids(place: str, ids: np.ndarray, num_classes: int, ignore_index: int) -> None:
    wrong = ids[(ids < 0) | (ids >= num_classes)]
    if wrong.size:
        value = int(wrong[0])
        raise DataError(
            f"{place}: found value {value} ({int((wrong == value).sum())} px), allowed are 0 to "
            f"{num_classes - 1} and ignore_index {ignore_index}. "
            "Add it to data.label_map or data.classes."
        )


def _band(
    ids: Integer[np.ndarray, "H W"], valid: Bool[np.ndarray, "H W"], distance: int
) -> Bool[np.ndarray, "H W"]:
    """Return the mask of the pixels with another class, or the outside, within `distance` pixels.

    A window shows only one class if its smallest and its largest id agree, so two filters are enough for all classes.
    """
    window = np.ones((2 * distance + 1, 2 * distance + 1), np.uint8)
    shifted = ids.astype(np.uint16) + 1  # 0 is the outside
    least = cv2.erode(
        np.where(valid, shifted, 65535).astype(np.uint16),
        window,
        borderType=cv2.BORDER_CONSTANT,
        borderValue=0,
    )
    greatest = cv2.dilate(np.where(valid, shifted, 0).astype(np.uint16), window)
    band: np.ndarray = valid & ((least != shifted) | (greatest != shifted))
    return band


def _ratio(over: np.ndarray | np.generic, under: np.ndarray | np.generic) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.divide(over, under, dtype=np.float64))


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
