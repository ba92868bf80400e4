"""Counts of predictions, per image and over all images, and the scores computed from them."""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int64, UInt8

from ocrnet.data.manifest import ClassTable
from ocrnet.metrics import (
    boundary_counts,
    boundary_iou,
    calibration_counts,
    calibration_error,
    confusion_matrix,
    mean_accuracy,
    miou,
    per_class_dice,
    per_class_iou,
    per_class_precision,
    per_class_recall,
    pixel_accuracy,
)
from ocrnet.objects.matching import ObjectCounts
from ocrnet.objects.summary import ObjectTally


class ImageCounts(NamedTuple):
    """Counts of one image; see `Counts`."""

    confusion: Int64[np.ndarray, "K K"]
    boundary: Int64[np.ndarray, "K 2"]
    calibration: Float[np.ndarray, "3 15"]
    packed: bytes
    objects: ObjectCounts | None = None


@dataclass(frozen=True)
class Counts:
    """Counts over a split.

    Args:
        confusions: One confusion matrix per image; rows are the truth.
        boundary: Intersection and union of the boundary bands per class.
        calibration: Sums per confidence bin, as `calibration_counts` returns them.
        packed: Predicted label map of each image, compressed: a large split would not fit into memory.
        objects: Matched objects of each image; None without thing classes.
    """

    confusions: Int64[np.ndarray, "N K K"]
    boundary: Int64[np.ndarray, "K 2"]
    calibration: Float[np.ndarray, "3 15"]
    packed: tuple[bytes, ...]
    objects: ObjectTally | None = field(default=None, kw_only=True)

    def prediction(self, index: int, size: tuple[int, int]) -> UInt8[np.ndarray, "H W"]:
        """Return the predicted label map of an image of this (height, width)."""
        return np.frombuffer(zlib.decompress(self.packed[index]), np.uint8).reshape(size)


def count_image(
    probabilities: Float[np.ndarray, "K H W"],
    truth: UInt8[np.ndarray, "H W"],
    *,
    classes: ClassTable,
    boundary_ratio: float,
) -> ImageCounts:
    """Count one image."""
    ids = {"ignore_index": classes.ignore_index}
    sizes = {"num_classes": classes.num_classes, **ids}
    predicted = probabilities.argmax(axis=0).astype(np.uint8)
    return ImageCounts(
        confusion_matrix(predicted, truth, **sizes),
        boundary_counts(predicted, truth, ratio=boundary_ratio, **sizes),
        calibration_counts(probabilities, truth, **ids),
        zlib.compress(predicted.tobytes(), level=1),
    )


def add_up(images: Sequence[ImageCounts]) -> Counts:
    """Return the counts of all images; floats are summed in the order of the images for any number of processes."""
    return Counts(
        confusions=np.stack([image.confusion for image in images]),
        boundary=np.stack([image.boundary for image in images]).sum(axis=0),
        calibration=_sum_in_order([image.calibration for image in images]),
        packed=tuple(image.packed for image in images),
        objects=_tally([image.objects for image in images]),
    )


def _tally(images: Sequence[ObjectCounts | None]) -> ObjectTally | None:
    counted = tuple(image for image in images if image is not None)
    return ObjectTally(counted) if counted else None


def _sum_in_order(parts: Sequence[Float[np.ndarray, "3 15"]]) -> Float[np.ndarray, "3 15"]:
    total = np.zeros_like(parts[0])
    for part in parts:
        total = total + part
    return total


def summarize(counts: Counts) -> dict[str, Any]:
    """Return every score; None if it is not defined.

    Means over classes are over the classes that the truth of the split shows, as in `ocrnet.metrics`.
    """
    confusion = counts.confusions.sum(axis=0)
    present = confusion.sum(axis=1) > 0
    iou = per_class_iou(confusion)
    edges = np.where(present, boundary_iou(counts.boundary), np.nan)
    objects = {} if counts.objects is None else {"objects": counts.objects.summary}
    return {
        "miou": _number(miou(confusion)),
        "accuracy": _number(pixel_accuracy(confusion)),
        "mean_accuracy": _number(mean_accuracy(confusion)),
        "boundary_miou": _mean(edges[present]),
        "calibration_error": _number(calibration_error(counts.calibration)),
        "iou": [_number(value) for value in iou],
        "boundary_iou": [_number(value) for value in edges],
        "precision": [_number(value) for value in per_class_precision(confusion)],
        "recall": [_number(value) for value in per_class_recall(confusion)],
        "dice": [_number(value) for value in per_class_dice(confusion)],
        "confusion": confusion.tolist(),
        "calibration": counts.calibration.tolist(),
        **objects,
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _mean(values: Float[np.ndarray, " N"]) -> float | None:
    return float(values.mean()) if values.size else None
