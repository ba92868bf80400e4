"""The weights of the best validation: kept during the training, written at its end."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ocrnet.bundles.bundle import ModelCard, save_bundle
from ocrnet.metrics import miou, per_class_iou

SCORES_FILE = "val_scores.json"


class BestWeights:
    """The weights of the validation with the highest mIoU; ties go to the first validation.

    Attributes:
        step: Optimizer step of that validation.
        miou: mIoU of that validation; -1 before the first one.
    """

    def __init__(self) -> None:
        self.step = 0
        self.miou = -1.0
        self._confusion: list[list[int]] = []
        self._weights: dict[str, Tensor] = {}

    def offer(
        self, step: int, confusion: npt.NDArray[np.int64], weights: Mapping[str, Tensor]
    ) -> None:
        """Keep a copy of the weights if they score higher than the best so far."""
        score = miou(confusion)
        if score > self.miou:
            self.step, self.miou = step, score
            self._confusion = confusion.tolist()
            self._weights = {name: value.detach().cpu().clone() for name, value in weights.items()}

    def write(self, out: Path, card: ModelCard, training: Mapping[str, Any]) -> None:
        """Write the bundle and the validation scores.

        Args:
            out: Output folder.
            card: Card of the model.
            training: Facts about the training for the card; the best step and its score are added.
        """
        of_best = {**training, "best_step": self.step, "val_miou": round(self.miou, 6)}
        save_bundle(out, replace(card, training=of_best), self._weights)
        names = card.classes.class_names
        ious = per_class_iou(np.array(self._confusion, dtype=np.int64))
        scores = {
            "class_names": list(names),
            "per_class_iou": [None if np.isnan(v) else float(v) for v in ious],
            "miou": self.miou,
            "confusion": self._confusion,
        }
        (out / SCORES_FILE).write_text(json.dumps(scores, indent=1) + "\n")

    def metrics(self, class_names: tuple[str, ...]) -> dict[str, float]:
        """Return the metrics of the best validation."""
        return val_metrics(np.array(self._confusion, dtype=np.int64), class_names)

    def state(self) -> dict[str, Any]:
        """Return the state for `restore`."""
        return {
            "step": self.step,
            "miou": self.miou,
            "confusion": self._confusion,
            "weights": self._weights,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        self.step, self.miou = state["step"], state["miou"]
        self._confusion, self._weights = state["confusion"], state["weights"]


def val_metrics(confusion: npt.NDArray[np.int64], class_names: tuple[str, ...]) -> dict[str, float]:
    """Return the metrics of a validation by their recorded names."""
    ious = per_class_iou(confusion)
    return {
        "val/mIoU": miou(confusion),
        **{f"val/IoU/{name}": float(v) for name, v in zip(class_names, ious, strict=True)},
    }
