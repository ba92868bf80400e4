"""Counts of the classes, objects and operations in a set of layouts."""

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from ocrnet.gan.layouts.catalog import Catalog
from ocrnet.gan.layouts.compose import Layout
from ocrnet.gan.layouts.sampling_weights import SamplingWeights


class Tally:
    """Counts layouts as they are drawn."""

    def __init__(self, catalog: Catalog) -> None:
        self._names = catalog.classes.class_names
        self._train_shares = np.array(catalog.pixel_shares)
        self._pixels = np.zeros(len(self._names), dtype=np.int64)
        self._showing = np.zeros(len(self._names), dtype=np.int64)
        self._placed: dict[str, Counter[int]] = {"paste": Counter(), "warp": Counter()}
        self._operations: Counter[str] = Counter()
        self._unplaced = 0

    def add(self, layout: Layout) -> None:
        """Count one layout."""
        counts = np.bincount(layout.label_map.ravel(), minlength=256)[: len(self._names)]
        self._pixels += counts
        self._showing += counts > 0
        for step in layout.steps:
            if step["op"] in self._placed:
                self._placed[step["op"]][step["class_id"]] += 1
        self._operations[layout.operation] += 1
        self._unplaced += layout.unplaced

    def shares(self) -> npt.NDArray[np.float64]:
        """Return the share of each class in the valid pixels."""
        return np.asarray(self._pixels / max(int(self._pixels.sum()), 1))

    def shares_by_name(self) -> dict[str, float]:
        """Return the shares as metrics."""
        return {
            f"synthesize/share/{name}": round(float(share), 6)
            for name, share in zip(self._names, self.shares(), strict=True)
        }

    def metrics(self) -> dict[str, float]:
        """Return the class shares of the layouts and of the training split, and counts of operations and objects.

        `synthesize/drift` is half the sum of the absolute differences of the shares: 0 if they are equal, 1 if they
        have no class in common.
        """
        drift = float(np.abs(self.shares() - self._train_shares).sum()) / 2
        train = zip(self._names, self._train_shares, strict=True)
        return {
            "synthesize/count": float(self._operations.total()),
            "synthesize/drift": round(drift, 6),
            "synthesize/unplaced": float(self._unplaced),
            **{
                f"synthesize/operation/{name}": float(n)
                for name, n in sorted(self._operations.items())
            },
            **{
                f"synthesize/pasted/{self._names[i]}": float(n)
                for i, n in sorted(self._placed["paste"].items())
            },
            **self.shares_by_name(),
            **{f"synthesize/train_share/{name}": round(float(share), 6) for name, share in train},
        }

    def as_json(self, weights: SamplingWeights) -> dict[str, Any]:
        """Return the number of layouts per operation, and the weights, shares and counts of each class."""
        classes = [
            {
                "name": name,
                "train_share": round(float(self._train_shares[i]), 6),
                "share": round(float(self.shares()[i]), 6),
                "val_iou": None if np.isnan(weights.ious[i]) else round(float(weights.ious[i]), 6),
                "weight": round(weights.of_object.get(i, 0.0), 6),
                "pasted": self._placed["paste"][i],
                "warped": self._placed["warp"][i],
                "layouts": int(self._showing[i]),
            }
            for i, name in enumerate(self._names)
        ]
        return {"operations": dict(sorted(self._operations.items())), "classes": classes}
