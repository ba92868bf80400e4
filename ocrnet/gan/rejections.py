"""Counts of rejected pixels, over all and per class."""

import numpy as np
import numpy.typing as npt

from ocrnet.data.manifest import ClassTable


class Rejections:
    """Counts what was rejected.

    Attributes:
        pairs: counted so far.
    """

    def __init__(self, classes: ClassTable) -> None:
        self.pairs = 0
        self._classes = classes
        self._rejected = np.zeros(classes.num_classes, dtype=np.int64)
        self._valid = np.zeros(classes.num_classes, dtype=np.int64)

    def add(self, label_map: npt.NDArray[np.uint8], wrong: npt.NDArray[np.bool_]) -> None:
        """Count one pair."""
        self.pairs += 1
        self._valid += self._count(label_map)
        self._rejected += self._count(label_map[wrong])

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

    def _count(self, label_map: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        counts = np.bincount(label_map.ravel(), minlength=256)[: self._classes.num_classes]
        return counts.astype(np.int64)
