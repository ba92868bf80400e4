"""Likely label errors by confident learning (Northcutt et al., arXiv:1911.00068), with pixels as the examples.

| paper | here | shape |
|---|---|---|
| t_j (Eq. 2) | thresholds: mean probability of class j over the pixels that are labelled j | (K,) |
| C (Eq. 1) | joint: number of pixels that are labelled i and likely j | (K, K) |

The probabilities must be of models that did not learn from the label maps that they judge.

Differs from the paper: C is used as it is, without calibration to the number of labels, since only the order of the
images is asked for. A class is likely only where it is also more probable than the labelled one: a class that models
have not learned has a threshold near 0, which nearly every pixel reaches. Strips of likely errors that are thinner than
`THINNEST` pixels are left out, because along every border the annotator and the model differ by a pixel.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64, Integer, UInt8
from scipy import ndimage

NO_CLASS = -1  # no class is likely enough
THINNEST = 3  # pixels


class SelfConfidence:
    """The mean probability that models give the labelled class, by class; it gets one image after the other.

    Args:
        num_classes: Number of classes.
    """

    def __init__(self, num_classes: int) -> None:
        self._sums = np.zeros(num_classes)
        self._counts = np.zeros(num_classes)

    def add(
        self, probabilities: Float[np.ndarray, "K H W"], label_map: UInt8[np.ndarray, "H W"]
    ) -> None:
        """Add the pixels of an image; those whose id is no class do not count."""
        for index in range(len(self._sums)):
            mask = label_map == index
            self._sums[index] += probabilities[index][mask].sum(dtype=np.float64)
            self._counts[index] += mask.sum()

    def thresholds(self) -> Float[np.ndarray, " K"]:
        """Return the mean of each class; infinite for a class that no pixel is labelled as."""
        absent = np.full_like(self._sums, np.inf)
        return np.divide(self._sums, self._counts, out=absent, where=self._counts > 0)


def likely_classes(
    probabilities: Float[np.ndarray, "K H W"], thresholds: Float[np.ndarray, " K"]
) -> Int64[np.ndarray, "H W"]:
    """Return the most probable class at each pixel of those that reach their threshold; `NO_CLASS` if none does."""
    reached = probabilities >= thresholds[:, None, None]
    found = np.where(reached, probabilities, -1.0).argmax(axis=0).astype(np.int64)
    return np.where(reached.any(axis=0), found, NO_CLASS)


@dataclass(frozen=True)
class JudgedLabels:
    """The labels of an image, judged.

    Args:
        wrong: Pixels whose label is likely wrong.
        joint: Number of pixels that are labelled as the class of the row and likely of the class of the column.
        labelled: Number of labelled pixels.
    """

    wrong: Bool[np.ndarray, "H W"]
    joint: Int64[np.ndarray, "K K"]
    labelled: int

    @property
    def share(self) -> float:
        """The share of the labelled pixels whose label is likely wrong."""
        return float(self.wrong.sum()) / max(self.labelled, 1)

    @property
    def worst(self) -> tuple[int, int, int] | None:
        """Labelled class, likely class and number of pixels of the most frequent error; None without any."""
        apart = self.joint - np.diag(np.diag(self.joint))
        if not apart.any():
            return None
        given, likely = np.unravel_index(int(apart.argmax()), apart.shape)
        return int(given), int(likely), int(apart[given, likely])


def judge_labels(
    label_map: UInt8[np.ndarray, "H W"],
    probabilities: Float[np.ndarray, "K H W"],
    thresholds: Float[np.ndarray, " K"],
) -> JudgedLabels:
    """Compare the labels of an image with the likely classes.

    Args:
        label_map: Labels; ids that are no class are not judged.
        probabilities: Probabilities of the classes, by models that did not learn from the labels.
        thresholds: Threshold of each class.
    """
    num_classes = len(thresholds)
    is_labelled = label_map < num_classes
    of_label = _at(probabilities, np.where(is_labelled, label_map, 0))
    likely = likely_classes(probabilities, thresholds)
    likely = np.where(_at(probabilities, np.maximum(likely, 0)) < of_label, NO_CLASS, likely)
    other = is_labelled & (likely != NO_CLASS) & (likely != label_map)
    wrong = ndimage.binary_opening(other, np.ones((THINNEST, THINNEST), dtype=bool))
    counted = is_labelled & (likely != NO_CLASS) & (wrong | ~other)
    pairs = label_map[counted].astype(np.int64) * num_classes + likely[counted]
    joint = np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)
    return JudgedLabels(wrong, joint, int(is_labelled.sum()))


def _at(
    probabilities: Float[np.ndarray, "K H W"], ids: Integer[np.ndarray, "H W"]
) -> Float[np.ndarray, "H W"]:
    """Return the probability of one class at each pixel."""
    found: Float[np.ndarray, "H W"] = np.take_along_axis(
        probabilities, ids[None].astype(np.int64), axis=0
    )[0]
    return found
