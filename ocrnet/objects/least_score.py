"""The score from which on predicted objects are kept, chosen on validation images.

PQ counts each object that is kept, whatever its score is, so a model with many weak false objects gains from a
threshold; AP is of all objects and does not change.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from ocrnet.objects.matching import ObjectCounts

CANDIDATES = np.arange(20) / 20  # 0, 0.05, ..., 0.95


def best_least_score(images: Sequence[ObjectCounts]) -> float:
    """Return the candidate with the highest PQ over images; the lowest of equals, and 0 without true objects."""
    values = [thresholded_pq(images, float(least)) for least in CANDIDATES]
    return 0.0 if np.isnan(values).any() else float(CANDIDATES[int(np.argmax(values))])


def thresholded_pq(images: Sequence[ObjectCounts], least: float) -> float:
    """Return PQ of the predicted objects with a score of at least `least`, mean over the classes that the truth shows.

    A match has an IoU above 0.5, and each object has at most one, so what is left out frees no other match.
    """
    things = np.array(images[0].things)
    sums = np.sum([_sums(image, things, least) for image in images], axis=0)
    iou, hits, false, true = sums
    shown = true > 0
    if not shown.any():
        return float("nan")
    # With FN = true - TP, the denominator TP + FP / 2 + FN / 2 is (TP + FP + true) / 2.
    return float((iou[shown] / ((hits + false + true)[shown] / 2)).mean())


def _sums(image: ObjectCounts, things: np.ndarray, least: float) -> Float[np.ndarray, "4 T"]:
    kept = image.scores >= least
    of_class = image.classes[:, None] == things
    hit = (kept & (image.ious > 0))[:, None]
    false = (kept & image.counted & (image.ious == 0))[:, None]
    return np.stack([
        (of_class * hit * image.ious[:, None]).sum(0), (of_class & hit).sum(0), (of_class & false).sum(0),
        (image.true_classes[:, None] == things).sum(0),
    ]).astype(np.float64)  # fmt: skip
