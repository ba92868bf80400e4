"""Counts of predicted and kept pixels of the unlabelled images, in a table with the thresholds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import UInt8

from ocrnet.data.manifest import ClassTable
from ocrnet.data.pseudo_shares import COLUMNS
from ocrnet.self_training.thresholds import ClassRule

DIGITS = 6


class KeptPixels:
    """Pixels of unlabelled images per class: predicted ones, and those that became pseudo-labels.

    Args:
        classes: Class table.
    """

    def __init__(self, classes: ClassTable) -> None:
        self._classes = classes
        self._predicted = np.zeros(classes.num_classes, np.int64)
        self._kept = np.zeros(classes.num_classes, np.int64)

    def add(self, predicted: UInt8[np.ndarray, "H W"], kept: UInt8[np.ndarray, "H W"]) -> None:
        """Count one image.

        Args:
            predicted: Most likely class of each pixel.
            kept: The same with ignored pixels.
        """
        count = self._classes.num_classes
        for counts, labels in ((self._predicted, predicted), (self._kept, kept)):
            counts += np.bincount(labels.ravel(), minlength=256)[:count]

    def lost(self) -> list[str]:
        """Return the names of the classes that are predicted, but never kept."""
        counts = zip(self._classes.class_names, self._predicted, self._kept, strict=True)
        return [name for name, predicted, kept in counts if predicted and not kept]

    def table(self, rules: Sequence[ClassRule]) -> pd.DataFrame:
        """Return a row per class: its rule on validation images and its shares of all unlabelled pixels."""
        everything = max(int(self._predicted.sum()), 1)
        rows = [
            {
                "class": name, "source": rule.source, "val_pixels": rule.pixels, "threshold": rule.threshold,
                "val_precision": round(rule.precision, DIGITS), "val_kept": round(rule.kept, DIGITS),
                "predicted_share": round(int(predicted) / everything, DIGITS),
                "kept_share": round(int(kept) / everything, DIGITS),
                "kept_of_predicted": round(int(kept) / int(predicted), DIGITS) if predicted else float("nan"),
            }
            for name, rule, predicted, kept in zip(
                self._classes.class_names, rules, self._predicted, self._kept, strict=True
            )
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=list(COLUMNS))


def as_metrics(table: pd.DataFrame) -> dict[str, float]:
    """Return the shares as metrics: in total, and per class."""
    found: dict[str, Any] = {"pseudo_label/kept_share": float(table["kept_share"].sum())}
    for column in ("kept_share", "kept_of_predicted", "threshold", "val_precision"):
        found |= {
            f"pseudo_label/{column}/{name}": float(value)
            for name, value in zip(table["class"], table[column], strict=True)
        }
    return found
