"""The labelled images in the order of the share of their labels that are likely wrong."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int64

from ocrnet.data.decode import read_image, read_label_map
from ocrnet.errors import DataError
from ocrnet.labelling.label_errors import (
    JudgedLabels,
    SelfConfidence,
    judge_labels,
)
from ocrnet.labelling.panel import Panel
from ocrnet.labelling.ranking import Progress


@dataclass(frozen=True)
class Judge:
    """Labelled images with models that did not learn from them.

    Args:
        panel: Models.
        rows: Rows of the manifest.
    """

    panel: Panel
    rows: pd.DataFrame


@dataclass(frozen=True)
class Suspect:
    """A labelled image, judged.

    Args:
        row: Row of the manifest.
        panel: Models that judged it.
        pixels: Number of pixels whose label is likely wrong.
        share: Their share of the labelled pixels.
        worst: Labelled class, likely class and pixels of the most frequent error; None without any.
    """

    row: dict[str, Any]
    panel: Panel
    pixels: int
    share: float
    worst: tuple[int, int, int] | None


@dataclass(frozen=True)
class RankedLabels:
    """All judged images.

    Args:
        folder: Folder of the prepared set.
        suspects: Images, the one with the largest share of likely errors first.
        joint: Number of pixels that are labelled as the class of the row and likely of the class of the column.
        thresholds: Threshold of each class; infinite for a class without pixels.
    """

    folder: Path
    suspects: tuple[Suspect, ...]
    joint: Int64[np.ndarray, "K K"]
    thresholds: Float[np.ndarray, " K"]

    def judge_again(self, suspect: Suspect) -> tuple[JudgedLabels, Float[np.ndarray, "K H W"]]:
        """Return the judged labels of an image and the probabilities that they were judged by."""
        probabilities = _rounded(
            suspect.panel.probabilities(read_image(self.folder / suspect.row["image"]))
        )
        return _judge(self.folder, suspect.row, probabilities, self.thresholds), probabilities


def rank_labels(
    folder: Path,
    judges: Sequence[Judge],
    *,
    spool: Path,
    progress: Progress = lambda done, of: None,
) -> RankedLabels:
    """Rank labelled images by their likely label errors.

    Args:
        folder: Folder of the prepared set.
        judges: Images with models that did not learn from them.
        spool: Folder for the probabilities of all images, which are deleted at the end.
        progress: Function that gets the number of images done and the number of all.

    Raises:
        DataError: There is no image.
    """
    pairs = list(_pairs(judges))
    if not pairs:
        raise DataError(
            f"{folder}: found no image that the model did not learn from. Give --folds 5."
        )
    classes = pairs[0][1].classes
    confidence = SelfConfidence(classes.num_classes)
    with tempfile.TemporaryDirectory(dir=spool, prefix=".") as kept:
        for index, (row, panel) in enumerate(pairs):
            probabilities = _rounded(panel.probabilities(read_image(folder / row["image"])))
            confidence.add(probabilities, read_label_map(folder / row["label_map"]))
            np.save(Path(kept, f"{index}.npy"), probabilities.astype(np.float16))
            progress(index + 1, len(pairs))
        thresholds = confidence.thresholds()
        joint = np.zeros((classes.num_classes, classes.num_classes), dtype=np.int64)
        suspects = []
        for index, (row, panel) in enumerate(pairs):
            stored = np.load(Path(kept, f"{index}.npy"), allow_pickle=False)
            judged = _judge(folder, row, stored.astype(np.float32), thresholds)
            joint += judged.joint
            pixels = int(judged.wrong.sum())
            suspects.append(Suspect(row, panel, pixels, judged.share, judged.worst))
    ranked = sorted(suspects, key=lambda one: (-one.share, str(one.row["id"])))
    return RankedLabels(folder, tuple(ranked), joint, thresholds)


def _pairs(judges: Sequence[Judge]) -> Iterator[tuple[dict[str, Any], Panel]]:
    for one in judges:
        for row in one.rows.to_dict("records"):
            yield {str(name): value for name, value in row.items()}, one.panel


def _judge(
    folder: Path,
    row: dict[str, Any],
    probabilities: Float[np.ndarray, "K H W"],
    thresholds: Float[np.ndarray, " K"],
) -> JudgedLabels:
    return judge_labels(read_label_map(folder / row["label_map"]), probabilities, thresholds)


def _rounded(probabilities: Float[np.ndarray, "K H W"]) -> Float[np.ndarray, "K H W"]:
    """Return probabilities as a file of half the size holds them, so that thresholds fit what is compared with them."""
    return probabilities.astype(np.float16).astype(np.float32)
