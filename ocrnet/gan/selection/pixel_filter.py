"""Thresholds per class on the baseline's loss, above which a pixel counts as wrong.

The loss is the cross-entropy of the pixel's label under the baseline. The threshold of a class is the
(1 - real_rejection) quantile of the loss over *held-out* real pixels of the class, so a known share of
right pixels is lost. Losses on the training images of the baseline are smaller: a threshold from them would reject
right pixels, of rare classes most. FreeMask (arXiv:2310.15160) computes its thresholds on training images;
`select.calibrate_on` can do the same.

Losses are counted in a histogram with bins of equal ratio, so memory does not grow with the data, and a
threshold is the upper edge of a bin: at most the ratio `RESOLUTION` above the exact quantile.

There are two special cases. A real rejection of 0 means no filter: even a pixel that is worse than all real ones is
kept. And a filter would remove a class that the GAN generates badly entirely, although it is often a rare class that
needs the extra data: `cap` raises its threshold until no more than a given share of it is rejected, so that the pixels
with the smallest losses stay.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, UInt8

from ocrnet.errors import DataError

LEAST_PIXELS = 200  # fewer held-out pixels of a class are not enough to estimate a tail of 5 %
RESOLUTION = 0.001  # ratio of neighbouring bin edges minus 1
LEAST_PROBABILITY = 1e-12
_FIRST_EDGE = 1e-6
_BINS = int(np.ceil(np.log(28.0 / _FIRST_EDGE) / np.log1p(RESOLUTION)))
_EDGES = np.concatenate([_FIRST_EDGE * (1 + RESOLUTION) ** np.arange(_BINS + 1)])

Losses = Float[np.ndarray, "H W"]
Source = Literal["held-out", "training", "pooled"]
SOURCES: dict[str, Source] = {"val": "held-out", "train": "training"}


def pixel_losses(
    probabilities: Float[np.ndarray, "K H W"],
    label_map: UInt8[np.ndarray, "H W"],
    *,
    ignore_index: int,
) -> Losses:
    """Return -log of the probability of each pixel's label, in nats; 0 for ignored pixels."""
    valid = label_map != ignore_index
    labels = np.where(valid, label_map, 0)[None]
    chosen = np.take_along_axis(probabilities, labels.astype(np.int64), axis=0)[0]
    losses = -np.log(np.maximum(chosen.astype(np.float64), LEAST_PROBABILITY))
    return np.where(valid, np.maximum(losses, 0.0), 0.0)


@dataclass(frozen=True)
class Threshold:
    """The largest loss of a pixel of a class that is not rejected.

    Args:
        value: Largest loss in nats.
        source: Pixels that it was measured on: `held-out` or `training` pixels of the class, or `pooled` pixels of the
            other classes if the class has too few.
        pixels: Number of real pixels of the class.
        mean: Mean loss of these pixels in nats; if `pooled`, the mean of the measured classes' means.
        calibrated: Value before the cap raised it; None if it did not.
    """

    value: float
    source: Source
    pixels: int
    mean: float
    calibrated: float | None = None


class LossCounts:
    """Histograms of the losses of real pixels, one per class."""

    def __init__(self, num_classes: int) -> None:
        self._counts = np.zeros((num_classes, _BINS + 1), dtype=np.int64)
        self._sums = np.zeros(num_classes)

    def add(self, losses: Losses, label_map: UInt8[np.ndarray, "H W"]) -> None:
        """Count the pixels of one image; pixels of no class are left out."""
        for class_id in range(len(self._counts)):
            own = losses[label_map == class_id]
            bins = np.minimum(np.searchsorted(_EDGES, own, side="left"), _BINS)
            self._counts[class_id] += np.bincount(bins, minlength=_BINS + 1)
            self._sums[class_id] += float(own.sum())

    def thresholds(self, real_rejection: float, *, split: str = "val") -> list[Threshold]:
        """Return the threshold of each class.

        A class with fewer than `LEAST_PIXELS` pixels gets the quantile of the pooled losses of
        the other classes, with equal weights of the classes: with equal weights of the pixels, the background would
        set a threshold that rejects all rare pixels. With a rejection of 0 no loss is above any threshold.

        Raises:
            DataError: No class has enough pixels.
        """
        pixels = self._counts.sum(axis=1)
        measured = pixels >= LEAST_PIXELS
        if not measured.any():
            raise DataError(
                f"split {split}: no class has {LEAST_PIXELS} labelled pixels (found {pixels.tolist()}). "
                "Add images to the split."
            )
        means = np.where(measured, self._sums / np.maximum(pixels, 1), 0.0)
        shares = self._counts[measured] / pixels[measured, None]
        pooled, pooled_mean = shares.mean(axis=0), float(means[measured].mean())
        result: list[Threshold] = []
        for class_id, count in enumerate(pixels.tolist()):
            if measured[class_id]:
                value = self.quantile(class_id, real_rejection)
                result.append(Threshold(value, SOURCES[split], count, float(means[class_id])))
            else:
                result.append(
                    Threshold(_quantile(pooled, real_rejection), "pooled", count, pooled_mean)
                )
        if real_rejection == 0:
            return [replace(threshold, value=float(_EDGES[_BINS])) for threshold in result]
        return result

    def quantile(self, class_id: int, rejection: float) -> float:
        """Return a loss that at most the share `rejection` of the class's pixels exceeds."""
        return _quantile(self._counts[class_id].astype(np.float64), rejection)


def cap(
    thresholds: list[Threshold], painted: LossCounts, *, most: Sequence[float]
) -> list[Threshold]:
    """Return thresholds that reject at most the share `most` of each class's generated pixels."""
    values = [painted.quantile(class_id, share) for class_id, share in enumerate(most)]
    return [
        replace(threshold, value=value, calibrated=threshold.value)
        if value > threshold.value
        else threshold
        for threshold, value in zip(thresholds, values, strict=True)
    ]


def reject(
    losses: Losses,
    label_map: UInt8[np.ndarray, "H W"],
    thresholds: list[Threshold],
    *,
    ignore_index: int,
) -> npt.NDArray[np.bool_]:
    """Return the mask of the pixels whose loss is above the threshold of their class; ignored pixels are False."""
    limits = np.full(256, np.inf)
    limits[: len(thresholds)] = [threshold.value for threshold in thresholds]
    limits[ignore_index] = np.inf
    return np.asarray(losses > limits[label_map])


def hardness(label_map: UInt8[np.ndarray, "H W"], thresholds: list[Threshold]) -> float:
    """Return the expected loss of a label map: the mean over its pixels of the mean loss of their class."""
    counts = np.bincount(label_map.ravel(), minlength=256)[: len(thresholds)]
    means = np.array([threshold.mean for threshold in thresholds])
    return float((counts * means).sum() / max(int(counts.sum()), 1))


def as_json(thresholds: list[Threshold], class_names: tuple[str, ...]) -> dict[str, Any]:
    """Return the thresholds by class name as plain data."""
    return {
        name: asdict(threshold) for name, threshold in zip(class_names, thresholds, strict=True)
    }


def from_json(content: Mapping[str, Any]) -> list[Threshold]:
    """Return the thresholds that `as_json` wrote."""
    return [Threshold(**values) for values in content.values()]


def _quantile(counts: npt.NDArray[np.float64], rejection: float) -> float:
    """Return the smallest edge such that at least the share 1 - `rejection` of the counts is at or below it."""
    below = np.cumsum(counts)
    # The margin is for rounding: the sum of shares may end just below 1.
    at = int(np.searchsorted(below, (1 - rejection) * below[-1] * (1 - 1e-12), side="left"))
    return float(_EDGES[min(at, _BINS)])
