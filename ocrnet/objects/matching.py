"""Which predicted object is which true one, in one image.

Two matchings are made, as in the sources of the scores:

- Panoptic (arXiv:1801.00868, section 4): an IoU above 0.5, which at most one pair of each object has. Ignored pixels
  are cut from the predicted object before the IoU. A predicted object without a match, more than half of which is
  ignored, is not counted. PQ, precision, recall and the counts by size are of this matching.
- COCO's at an IoU of at least 0.5: by falling score, each predicted object takes the free true object of its class with
  the largest IoU. The ignored pixels are a crowd of each class: an object that is half or more in it is not counted.
  AP50 and the precision-recall curve are of this matching.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt16

from ocrnet.objects.object_map import ObjectMap
from ocrnet.objects.run_lengths import Runs, encode_mask, encode_objects

SAME = 0.5  # IoU from which two objects are the same
IGNORED = -1


@dataclass(frozen=True, eq=False)
class ObjectCounts:
    """The comparison of the predicted and the true objects of one image.

    Args:
        things: Ids of the thing classes.
        true_classes: Class id of each true object.
        true_areas: Area of each true object, in pixels.
        found: Whether each true object is matched (panoptic).
        classes: Class id of each predicted object.
        scores: Score of each predicted object, in [0, 1].
        areas: Area of each predicted object, in pixels.
        ious: IoU of each predicted object with its match (panoptic); 0 without a match.
        counted: Whether each predicted object is counted (panoptic).
        hits: COCO's matching at 0.5: 1 has a match, 0 has none, -1 is not counted.
        hit_ious: IoU of COCO's match; 0 without one.
        true_runs: Run lengths of the true objects.
        runs: Run lengths of the predicted objects.
        ignored_runs: Run lengths of the ignored pixels; None if there are none.
        size: (height, width) of the image, in pixels.
        packed: Numbers of the predicted objects at each pixel, compressed.
    """

    things: tuple[int, ...]
    true_classes: Int64[np.ndarray, " G"]
    true_areas: Int64[np.ndarray, " G"]
    found: Bool[np.ndarray, " G"]
    classes: Int64[np.ndarray, " D"]
    scores: Float[np.ndarray, " D"]
    areas: Int64[np.ndarray, " D"]
    ious: Float[np.ndarray, " D"]
    counted: Bool[np.ndarray, " D"]
    hits: Int64[np.ndarray, " D"]
    hit_ious: Float[np.ndarray, " D"]
    true_runs: list[Runs]
    runs: list[Runs]
    ignored_runs: Runs | None
    size: tuple[int, int]
    packed: bytes

    @property
    def numbers(self) -> UInt16[np.ndarray, "H W"]:
        """The number of the predicted object at each pixel; 0 is none."""
        return np.frombuffer(zlib.decompress(self.packed), np.uint16).reshape(self.size)

    @property
    def missed(self) -> int:
        """The number of true objects without a match."""
        return int((~self.found).sum())

    @property
    def false(self) -> int:
        """The number of predicted objects that are counted and have no match."""
        return int((self.counted & (self.ious == 0)).sum())


def compare_objects(
    predicted: ObjectMap,
    true: ObjectMap,
    *,
    ignored: Bool[np.ndarray, "H W"],
    things: Sequence[int],
    least_score: float = 0.0,
) -> ObjectCounts:
    """Match the predicted objects of an image with the true ones.

    Args:
        predicted: Predicted objects.
        true: True objects.
        ignored: Pixels that the truth ignores.
        things: Ids of the thing classes.
        least_score: Least score of a predicted object that is shown and counted (panoptic); COCO's matching, whose
            curves are over all scores, has all.
    """
    shown = predicted.scores >= least_score
    both = _overlaps(predicted, true)
    hidden = np.bincount(predicted.numbers[ignored], minlength=len(predicted) + 1)[1:]
    same = predicted.class_ids[:, None] == true.class_ids[None]
    seen = predicted.areas - hidden
    panoptic = _ious(both, seen, true.areas) * same
    matched = (panoptic > SAME) & shown[:, None]
    shares = hidden / np.maximum(predicted.areas, 1)
    hits, hit_ious = _coco_hits(predicted, _ious(both, predicted.areas, true.areas), same, shares)
    return ObjectCounts(
        things=tuple(things),
        true_classes=true.class_ids,
        true_areas=true.areas,
        found=matched.any(axis=0),
        classes=predicted.class_ids,
        scores=predicted.scores,
        areas=predicted.areas,
        ious=(panoptic * matched).sum(axis=1),
        counted=(matched.any(axis=1) | (shares <= SAME)) & shown,
        hits=hits,
        hit_ious=hit_ious,
        true_runs=encode_objects(true.numbers, len(true)),
        runs=encode_objects(predicted.numbers, len(predicted)),
        ignored_runs=encode_mask(ignored) if ignored.any() else None,
        size=(ignored.shape[0], ignored.shape[1]),
        packed=zlib.compress(_shown_numbers(predicted, shown).tobytes(), level=1),
    )


def _shown_numbers(
    predicted: ObjectMap, shown: Bool[np.ndarray, " D"]
) -> UInt16[np.ndarray, "H W"]:
    table = np.append(False, shown) * np.arange(len(predicted) + 1)
    return np.asarray(table.astype(np.uint16)[predicted.numbers])


def _overlaps(predicted: ObjectMap, true: ObjectMap) -> Int64[np.ndarray, "D G"]:
    """Return the number of common pixels of each predicted and each true object."""
    width = len(true) + 1
    codes = predicted.numbers.ravel().astype(np.int64) * width + true.numbers.ravel()
    counts = np.bincount(codes, minlength=(len(predicted) + 1) * width)
    return counts.reshape(-1, width)[1:, 1:].astype(np.int64)


def _ious(
    both: Int64[np.ndarray, "D G"], areas: Int64[np.ndarray, " D"], true: Int64[np.ndarray, " G"]
) -> Float[np.ndarray, "D G"]:
    union = areas[:, None] + true[None] - both
    return np.asarray(both / np.maximum(union, 1))


def _coco_hits(
    predicted: ObjectMap,
    ious: Float[np.ndarray, "D G"],
    same: Bool[np.ndarray, "D G"],
    shares: Float[np.ndarray, " D"],
) -> tuple[Int64[np.ndarray, " D"], Float[np.ndarray, " D"]]:
    """Return COCO's matches at an IoU of 0.5; of equal IoUs, the last true object is taken, as there.

    Args:
        predicted: Predicted objects.
        ious: IoU of each predicted with each true object.
        same: Whether their classes are equal.
        shares: Share of each predicted object that is ignored.
    """
    hits, own = np.zeros(len(predicted), np.int64), np.zeros(len(predicted))
    free = np.ones(ious.shape[1], dtype=np.bool_)
    for index in np.argsort(-predicted.scores, kind="stable"):
        known = np.where(free & same[index], ious[index], 0.0)
        best = known.size - 1 - int(np.argmax(known[::-1])) if known.size else 0
        if known.size and known[best] >= SAME:
            hits[index], own[index], free[best] = 1, known[best], False
        elif shares[index] >= SAME:
            hits[index] = IGNORED
    return hits, own
