"""Every score of the objects of a split, for files and people."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float

from ocrnet.objects.coco_scores import coco_scores
from ocrnet.objects.curves import (
    UnitCounts,
    iou_at_recall,
    panoptic_quality,
    precision_at_recall,
    quality_parts,
    recall_at_precision,
    unit_counts,
)
from ocrnet.objects.matching import ObjectCounts

# COCO's bounds of an area, in pixels: small is below 32 x 32, large is from 96 x 96.
SIZES = {"small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, math.inf)}
MEANS = ("ap", "ap50", "ap75", "ar", "pq", "sq", "rq")


@dataclass(frozen=True, eq=False)
class ObjectTally:
    """The matchings of one model over a split, and the scores computed from them."""

    images: tuple[ObjectCounts, ...]

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Every score; None if it is not defined. Means over classes are over those that the truth shows."""
        counts = unit_counts(self.images)
        per_class = _class_scores(self.images, counts)
        shown = counts.true.sum(axis=0) > 0
        means = {name: _mean(per_class[name][shown]) for name in MEANS}
        rows = [
            {name: _number(values[i]) for name, values in per_class.items()}
            | {"true": int(counts.true[:, i].sum()), "predicted": _predicted(self.images, class_id)}
            for i, class_id in enumerate(self.images[0].things)
        ]
        return {**means, "count_error": self.count_error, "classes": rows, "sizes": self.sizes}

    @property
    def count_error(self) -> float:
        """The mean over images of the difference between the predicted and the true number of objects."""
        return float(np.mean([abs(int(i.counted.sum()) - len(i.found)) for i in self.images]))

    @property
    def sizes(self) -> dict[str, dict[str, int]]:
        """The numbers of objects that are found, missed and false, by size; a false one by its predicted area."""
        return {name: self._of_size(low, high) for name, (low, high) in SIZES.items()}

    def _of_size(self, low: float, high: float) -> dict[str, int]:
        totals = {"found": 0, "missed": 0, "false": 0}
        for image in self.images:
            true = (image.true_areas >= low) & (image.true_areas < high)
            own = (image.areas >= low) & (image.areas < high)
            totals["found"] += int((true & image.found).sum())
            totals["missed"] += int((true & ~image.found).sum())
            totals["false"] += int((own & image.counted & (image.ious == 0)).sum())
        return totals


def _class_scores(
    images: Sequence[ObjectCounts], counts: UnitCounts
) -> dict[str, Float[np.ndarray, " T"]]:
    iou, hits, false, missed = counts.sums.sum(axis=0)
    parts = coco_scores(images)
    ones = np.ones((1, len(counts.sums)))
    segmentation, recognition = quality_parts(counts)
    columns = range(counts.true.shape[1])
    shown = counts.true.sum(axis=0) > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        found = {
            "ap": parts.ap, "ap50": parts.ap50, "ap75": parts.ap75, "ar": parts.ar,
            "pq": panoptic_quality(counts, ones)[0], "sq": segmentation, "rq": recognition,
            "precision": hits / (hits + false), "recall": hits / (hits + missed), "mean_iou": iou / hits,
        }  # fmt: skip
    for name, score in (
        ("precision_at_recall_50", precision_at_recall),
        ("recall_at_precision_50", recall_at_precision),
        ("iou_at_recall_50", iou_at_recall),
    ):
        found[name] = np.array([score(counts, i) if shown[i] else np.nan for i in columns])
    return found


def _predicted(images: Sequence[ObjectCounts], class_id: int) -> int:
    return sum(int(((image.classes == class_id) & image.counted).sum()) for image in images)


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _mean(values: Float[np.ndarray, " N"]) -> float | None:
    """Return the mean; a class without a match has no SQ, and is not in the mean of SQ."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None
