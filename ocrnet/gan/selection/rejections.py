"""Counts of rejected pixels, over all and per class."""

import numpy as np
import numpy.typing as npt

from ocrnet.data.manifest import ClassTable


class Rejections:
    """Counts what was rejected.

    Attributes:
        pairs: Number of pairs counted so far.
    """

    def __init__(self, classes: ClassTable) -> None:
        self.pairs = 0
        self._classes = classes
        self._rejected = np.zeros(classes.num_classes, dtype=np.int64)
        self._valid = np.zeros(classes.num_classes, dtype=np.int64)

    def add(self, label_map: npt.NDArray[np.uint8], wrong: npt.NDArray[np.bool_]) -> None:
        """Count one pair."""
        self.pairs += 1
        self._valid += class_pixels(label_map, len(self._valid))
        self._rejected += class_pixels(label_map[wrong], len(self._valid))

    def lost(self, before: "Rejections") -> dict[str, float]:
        """Return, per class, the share of the pixels of all pairs of `before` that are not left here."""
        left = self._valid - self._rejected
        counts = zip(self._classes.class_names, left, before._valid, strict=True)
        return {name: float(1 - kept / made) for name, kept, made in counts if made}

    def rates(self, suffix: str = "") -> dict[str, float]:
        """Return the share of pixels rejected as metrics, over all and per class that has pixels."""
        share = float(self._rejected.sum() / max(int(self._valid.sum()), 1))
        return {
            f"select/rejected_share{suffix}": share,
            **{f"select/rejected{suffix}/{name}": rate for name, rate in self.by_class().items()},
        }

    def by_class(self) -> dict[str, float]:
        """Return the share of pixels rejected of each class that has pixels."""
        counts = zip(self._classes.class_names, self._rejected, self._valid, strict=True)
        return {name: float(lost / count) for name, lost, count in counts if count}


def class_pixels(labels: npt.NDArray[np.uint8], num_classes: int) -> npt.NDArray[np.int64]:
    """Return how many of some labels are of each class."""
    return np.bincount(labels.ravel(), minlength=256)[:num_classes].astype(np.int64)
