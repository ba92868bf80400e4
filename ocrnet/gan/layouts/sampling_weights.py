"""The sampling weights of classes to paste and of base images: rare and badly segmented classes have higher weights.

The validation scores are those that `train` wrote for the baseline of the first seed. The layouts use nothing else
of the validation images.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ocrnet.config import SynthesizeParams
from ocrnet.errors import DataError
from ocrnet.gan.layouts.catalog import Catalog

LEAST_HARDNESS = 0.05  # hardness of a class with an IoU of 1, so that every class is drawn
SCORES_FILE = "val_scores.json"
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ValScores:
    """Validation scores of the baseline.

    Args:
        per_class_iou: IoU in the order of class ids; nan for a class that validation does not show.
        confusion: Numbers of pixels, true class by predicted class.
    """

    per_class_iou: Values
    confusion: Values

    @classmethod
    def read(cls, folder: Path, class_names: tuple[str, ...]) -> "ValScores":
        """Read the scores of a trained model.

        Raises:
            DataError: The scores are missing, damaged or of other classes.
        """
        path = folder / SCORES_FILE
        try:
            raw: Any = json.loads(path.read_text())
            names = tuple(raw["class_names"])
            ious = [np.nan if value is None else float(value) for value in raw["per_class_iou"]]
            confusion = np.array(raw["confusion"], dtype=np.float64)
        except FileNotFoundError:
            raise DataError(f"{path}: the file is missing. Run the stage train first.") from None
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{path}: the file is damaged ({error!r}). Run the stage train again."
            ) from error
        if names != class_names or confusion.shape != (len(names),) * 2 or len(ious) != len(names):
            raise DataError(
                f"{path}: the scores are for {list(names)}, but the data has the classes {list(class_names)}. "
                "Run the stage train on this data."
            )
        return cls(np.array(ious), confusion)


class SamplingWeights:
    """The weights by which layouts are drawn.

    Attributes:
        ious: Validation IoU of each class; nan without a score.
        hardness: 1 - IoU of each class, at least `LEAST_HARDNESS`; 1 for a class without an IoU.
        of_object: Weight of each thing class to be pasted; the weights sum to 1.
        of_image: Weight of each training image to be a base, in the order of `catalog.ids`; the weights sum to 1.
    """

    def __init__(
        self, catalog: Catalog, params: SynthesizeParams, scores: ValScores | None
    ) -> None:
        count = catalog.classes.num_classes
        self.ious = np.full(count, np.nan) if scores is None else scores.per_class_iou
        self.hardness = np.maximum(1.0 - np.nan_to_num(self.ious, nan=0.0), LEAST_HARDNESS)
        self._power = params.hard_power
        pull = self.hardness**self._power
        raw = {
            i: catalog.pixel_shares[i] ** -params.rare_power * pull[i]
            for i in catalog.thing_classes()
        }
        self.of_object = {i: float(value / sum(raw.values())) for i, value in raw.items()}
        # The mean over the classes of an image, not over its pixels: a rare class has few pixels in every image.
        of_image = np.array([
            pull[list(shown)].mean() if (shown := catalog.shown[i]) else pull.min()
            for i in catalog.ids
        ])  # fmt: skip
        self.of_image: Values = of_image / of_image.sum()
        self._confusion_shares = _confusion_shares(
            np.zeros((count, count)) if scores is None else scores.confusion
        )

    def draw_image(self, rng: np.random.Generator, catalog: Catalog) -> str:
        """Draw a base image."""
        return catalog.ids[int(rng.choice(len(catalog.ids), p=self.of_image))]

    def draw_class(self, rng: np.random.Generator) -> int:
        """Draw a class to paste."""
        class_ids = list(self.of_object)
        return class_ids[int(rng.choice(len(class_ids), p=list(self.of_object.values())))]

    def of_contact(self, class_id: int, around: npt.NDArray[np.uint8]) -> float:
        """Return the weight of a place for an object by the classes of the pixels around it.

        It grows with the share of the class's validation errors that are confusions with the neighbours
        there: the baseline then trains on more of the contacts that it gets wrong.
        """
        known = around[around < len(self._confusion_shares)]
        mixed = float(self._confusion_shares[class_id, known].mean()) if known.size else 0.0
        return float((LEAST_HARDNESS + mixed) ** self._power)


def _confusion_shares(confusion: Values) -> Values:
    """Return, per class, the share of its errors that are confusions with each other class, in either direction."""
    errors = confusion + confusion.T
    np.fill_diagonal(errors, 0.0)
    return np.asarray(errors / np.maximum(errors.sum(axis=1, keepdims=True), 1.0))
