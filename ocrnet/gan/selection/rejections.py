"""Counts of rejected pixels, in total and per class."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

from ocrnet.data.manifest import ClassTable
from ocrnet.gan.selection.pair_scores import ScoredPair


class Rejections:
    """Counts the rejected pixels of pairs.

    Attributes:
        pairs: Number of pairs counted so far.
    """

    def __init__(self, classes: ClassTable) -> None:
        self.pairs = 0
        self._classes = classes
        self._rejected = np.zeros(classes.num_classes, dtype=np.int64)
        self._valid = np.zeros(classes.num_classes, dtype=np.int64)

    def add(self, pixels: Int64[np.ndarray, " K"], rejected: Int64[np.ndarray, " K"]) -> None:
        """Count one pair: its pixels and its rejected pixels, per class."""
        self.pairs += 1
        self._valid += pixels
        self._rejected += rejected

    def again(self, pairs: Sequence[ScoredPair]) -> "Rejections":
        """Return the counts of some pairs alone."""
        counts = Rejections(self._classes)
        for pair in pairs:
            counts.add(pair.pixels, pair.rejected)
        return counts

    @property
    def share(self) -> float:
        """The share of the valid pixels that are rejected."""
        return float(self._rejected.sum() / max(int(self._valid.sum()), 1))

    def lost(self, before: "Rejections") -> dict[str, float]:
        """Return, per class, the share of the pixels in `before` that are not kept here."""
        left = self._valid - self._rejected
        counts = zip(self._classes.class_names, left, before._valid, strict=True)
        return {name: float(1 - kept / made) for name, kept, made in counts if made}

    def rates(self, suffix: str = "") -> dict[str, float]:
        """Return the share of rejected pixels as metrics, in total and for each class that has pixels."""
        return {
            f"select/rejected_share{suffix}": self.share,
            **{f"select/rejected{suffix}/{name}": rate for name, rate in self.by_class().items()},
        }

    def by_class(self) -> dict[str, float]:
        """Return the share of rejected pixels of each class that has pixels."""
        counts = zip(self._classes.class_names, self._rejected, self._valid, strict=True)
        return {name: float(lost / count) for name, lost, count in counts if count}
