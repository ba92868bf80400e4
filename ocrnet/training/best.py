"""The weights of the best validation: kept during the training, written at its end."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ocrnet.bundles.bundle import save_bundle
from ocrnet.bundles.card import ModelCard
from ocrnet.config.evaluation import METRICS, MIOU, Metric
from ocrnet.metrics import miou, per_class_iou

SCORES_FILE = "val_scores.json"


class BestWeights:
    """The weights of the validation with the highest score; ties go to the first validation.

    Args:
        metric: Score that decides: `evaluate.metric`.

    Attributes:
        step: Optimizer step of that validation.
        score: Score of that validation; -1 before the first one.
    """

    def __init__(self, metric: Metric = MIOU) -> None:
        self.step = 0
        self.score = -1.0
        self._metric: Metric = metric
        self._objects: dict[str, float] = {}
        self._confusion: list[list[int]] = []
        self._weights: dict[str, Tensor] = {}

    def offer(
        self,
        step: int,
        confusion: npt.NDArray[np.int64],
        weights: Mapping[str, Tensor],
        objects: Mapping[str, float] | None = None,
    ) -> None:
        """Keep a copy of the weights if they score higher than the best so far.

        Args:
            step: Optimizer step.
            confusion: Confusion matrix over the validation images.
            weights: Weights of the model.
            objects: PQ and AP50 on the validation images, if one of them decides.
        """
        score = self.score_of(confusion, objects)
        if score > self.score:
            self.step, self.score = step, score
            self._confusion, self._objects = confusion.tolist(), dict(objects or {})
            self._weights = {name: value.detach().cpu().clone() for name, value in weights.items()}

    def score_of(
        self, confusion: npt.NDArray[np.int64], objects: Mapping[str, float] | None = None
    ) -> float:
        """Return the score that decides."""
        if self._metric == MIOU:
            return miou(confusion)
        assert objects is not None
        return objects[self._metric]

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """The kept weights."""
        return self._weights

    def write(self, out: Path, card: ModelCard, training: Mapping[str, Any]) -> None:
        """Write the bundle and the validation scores.

        Args:
            out: Output folder.
            card: Card of the model.
            training: Facts about the training for the card; the best step and its score are added.
        """
        best = miou(np.array(self._confusion, dtype=np.int64))
        of_objects = {f"val_{name}": round(value, 6) for name, value in self._objects.items()}
        of_best = {**training, "best_step": self.step, "val_miou": round(best, 6), **of_objects}
        save_bundle(out, replace(card, training=of_best), self._weights)
        names = card.classes.class_names
        ious = per_class_iou(np.array(self._confusion, dtype=np.int64))
        scores = {
            "class_names": list(names),
            "per_class_iou": [None if np.isnan(v) else float(v) for v in ious],
            "miou": best,
            "confusion": self._confusion,
        }
        (out / SCORES_FILE).write_text(json.dumps(scores, indent=1) + "\n")

    def metrics(self, class_names: tuple[str, ...]) -> dict[str, float]:
        """Return the metrics of the best validation."""
        confusion = np.array(self._confusion, dtype=np.int64)
        return val_metrics(confusion, class_names, self._objects)

    def state(self) -> dict[str, Any]:
        """Return the state for `restore`."""
        return {
            "step": self.step,
            "score": self.score,
            "objects": self._objects,
            "confusion": self._confusion,
            "weights": self._weights,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        self.step, self.score, self._objects = state["step"], state["score"], state["objects"]
        self._confusion, self._weights = state["confusion"], state["weights"]


def val_metrics(
    confusion: npt.NDArray[np.int64],
    class_names: tuple[str, ...],
    objects: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Return the metrics of a validation by their recorded names."""
    ious = per_class_iou(confusion)
    return {
        "val/mIoU": miou(confusion),
        **{f"val/IoU/{name}": float(v) for name, v in zip(class_names, ious, strict=True)},
        **{f"val/{METRICS[name]}": value for name, value in (objects or {}).items()},
    }
