"""Which pixels of a prediction become pseudo-labels: a threshold per class, measured on validation images.

Of the validation pixels that are predicted as class c, counts by confidence tell how many are right. The threshold of c
is the lowest confidence of these pixels from which on the share of right pixels is at least `precision`: the most
pixels that are right often enough. A class that the model seldom predicts rightly would be shut out by that alone, and
a student that never sees a class forgets it. So, as in class-balanced self-training (CBST, arXiv:1810.07911), a share
`class_share` of the pixels that are predicted as c stays in any case, the surest ones, as far as c is more likely than
all other classes together:

    t_c = min(p_c, max(k_c, 1/2)),

with p_c from the precision and k_c from the share. The weight of a kept pixel is the probability that it is right: the
isotonic regression of right pixels on confidence (Zadrozny and Elkan, KDD 2002), so that a threshold that the share
lowered costs weight.

Differs from the papers: thresholds come from labelled pixels, not from the predictions on unlabelled images alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, UInt8
from scipy.optimize import isotonic_regression

from ocrnet.data.pixel_weights import FULL_WEIGHT

BINS = 1000  # of the confidence, over [0, 1]
LEAST_PIXELS = 200  # fewer predicted pixels of a class are not enough to measure a precision

Floats = npt.NDArray[np.float64]
Source = Literal["own", "pooled"]


@dataclass(frozen=True)
class ClassRule:
    """What becomes of the pixels that are predicted as one class.

    Args:
        least_bin: First bin of confidence that is kept; `BINS` keeps nothing.
        weights: Weight of each bin, from 1 to `FULL_WEIGHT`.
        source: Whether it was measured on pixels of the class or, if they are too few, of all measured classes.
        pixels: Number of labelled validation pixels that are predicted as the class.
        precision: Share of right pixels among those that the rule keeps; NaN if it keeps none.
        kept: Share of the measured pixels that the rule keeps.
    """

    least_bin: int
    weights: UInt8[np.ndarray, " bins"]
    source: Source
    pixels: int
    precision: float
    kept: float

    @property
    def threshold(self) -> float:
        """The lowest confidence that is kept."""
        return self.least_bin / BINS


class ConfidenceCounts:
    """Labelled pixels by predicted class and confidence, right ones and all.

    Args:
        num_classes: Number of classes.
        ignore_index: Label of pixels that are not counted.
    """

    def __init__(self, num_classes: int, *, ignore_index: int) -> None:
        self._right = np.zeros((num_classes, BINS), np.int64)
        self._all = np.zeros((num_classes, BINS), np.int64)
        self._ignore_index = ignore_index

    def add(
        self, probabilities: Float[np.ndarray, "K H W"], label_map: UInt8[np.ndarray, "H W"]
    ) -> None:
        """Count the pixels of one image."""
        classes, bins = predictions(probabilities)
        valid = label_map != self._ignore_index
        right = valid & (classes == label_map)
        for counts, where in ((self._right, right), (self._all, valid)):
            places = classes[where] * BINS + bins[where]
            counts += np.bincount(places, minlength=counts.size).reshape(counts.shape)

    def rules(self, *, precision: float, class_share: float) -> list[ClassRule]:
        """Return the rule of each class.

        A class with fewer than `LEAST_PIXELS` pixels gets the rule of the pooled pixels of the others, with equal
        weights of the classes; if no class has so many, all classes that have pixels are pooled.

        Args:
            precision: Share of right pixels among those that are kept.
            class_share: Share of the pixels of each class that is kept in any case; 0 keeps no class in any case.
        """
        sizes = self._all.sum(axis=1)
        measured = sizes >= LEAST_PIXELS
        pooled = measured if measured.any() else sizes > 0
        per_class = np.maximum(sizes[pooled], 1)[:, None]
        together = [(counts[pooled] / per_class).sum(0) for counts in (self._right, self._all)]
        found = []
        for class_id, size in enumerate(sizes.tolist()):
            own = bool(measured[class_id])
            right, total = (
                (self._right[class_id].astype(float), self._all[class_id].astype(float))
                if own
                else together
            )
            found.append(
                _rule(right, total, precision, class_share, "own" if own else "pooled", size)
            )
        return found


def predictions(
    probabilities: Float[np.ndarray, "K H W"],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the most likely class of each pixel (H, W) and the bin of its confidence."""
    bins = (probabilities.max(axis=0).astype(np.float64) * BINS).astype(np.int64)
    return probabilities.argmax(axis=0), bins.clip(0, BINS - 1)


def pseudo_label_map(
    probabilities: Float[np.ndarray, "K H W"], rules: Sequence[ClassRule], *, ignore_index: int
) -> tuple[UInt8[np.ndarray, "H W"], UInt8[np.ndarray, "H W"]]:
    """Return the predicted classes, ignored where they are not sure enough, and the weight of each pixel.

    Args:
        probabilities: Probability of each class at each pixel.
        rules: Rule of each class.
        ignore_index: Label of ignored pixels, whose weight is 0.
    """
    classes, bins = predictions(probabilities)
    kept = bins >= np.array([rule.least_bin for rule in rules])[classes]
    weights = np.stack([rule.weights for rule in rules])[classes, bins]
    labels = np.where(kept, classes, ignore_index).astype(np.uint8)
    return labels, np.where(kept, weights, 0).astype(np.uint8)


def _rule(
    right: Floats, total: Floats, precision: float, class_share: float, source: Source, pixels: int
) -> ClassRule:
    reached, right_reached = (counts[::-1].cumsum()[::-1] for counts in (total, right))
    # The margin is for rounding: pooled counts are sums of shares.
    precise = (total > 0) & (right_reached >= precision * reached * (1 - 1e-12))
    least = int(np.argmax(precise)) if precise.any() else BINS
    if class_share > 0 and reached[0] > 0:
        enough = np.flatnonzero(reached >= class_share * reached[0] * (1 - 1e-12))
        least = min(least, max(int(enough[-1]), BINS // 2))
    kept = float(reached[least]) if least < BINS else 0.0
    return ClassRule(
        least_bin=least,
        weights=_weights(right, total),
        source=source,
        pixels=pixels,
        precision=float(right_reached[least]) / kept if kept else float("nan"),
        kept=kept / max(float(reached[0]), 1e-12),
    )


def _weights(right: Floats, total: Floats) -> npt.NDArray[np.uint8]:
    """Return the probability that a pixel is right, for each bin, in steps of 1 / `FULL_WEIGHT`."""
    seen = np.flatnonzero(total)
    if not len(seen):
        return np.full(BINS, FULL_WEIGHT, np.uint8)
    fit = isotonic_regression(right[seen] / total[seen], weights=total[seen]).x
    smooth = np.interp(np.arange(BINS), seen, fit)
    # A kept pixel never weighs nothing: the weight 0 marks ignored pixels.
    return (FULL_WEIGHT * smooth).round().clip(1, FULL_WEIGHT).astype(np.uint8)
