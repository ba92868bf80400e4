"""Scores of each synthesized pair by the baseline and the training images."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, UInt8

from ocrnet.config import SelectParams
from ocrnet.data.decode import read_image, read_label_map
from ocrnet.data.manifest import ClassTable, read_manifest
from ocrnet.gan.quality.detail import Original
from ocrnet.gan.selection.thresholds import (
    LossCounts,
    Losses,
    Threshold,
    hardness,
    pixel_losses,
    reject,
)


@runtime_checkable
class ImageScorer(Protocol):
    """A trained segmenter that scores an image."""

    def probabilities(self, image: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, "K H W"]:
        """Return the probability of each class at each pixel."""


@dataclass(frozen=True)
class Verdict:
    """The scores of one pair.

    Args:
        row: Row of the pair in its manifest.
        label_map: Label map as synthesized.
        losses: Loss of each pixel under the baseline, in nats.
        wrong: Whether each pixel is above its calibrated threshold.
        hardness: Hardness of the label map.
        original: Training image that it is a copy of, or None.
    """

    row: dict[str, Any]
    label_map: npt.NDArray[np.uint8]
    losses: Losses
    wrong: npt.NDArray[np.bool_]
    hardness: float
    original: Original | None

    def share(self, ignore_index: int) -> float:
        """Return the share of wrong pixels among the valid ones."""
        return rejected_share(self.wrong, self.label_map, ignore_index=ignore_index)


def real_thresholds(
    prepared: Path, segmenter: ImageScorer, classes: ClassTable, params: SelectParams
) -> list[Threshold]:
    """Measure the thresholds on the real images of the split that the params name."""
    counts = LossCounts(classes.num_classes)
    for _, row in read_manifest(prepared, split=params.calibrate_on).iterrows():
        label_map = read_label_map(prepared / row["label_map"])
        probabilities = segmenter.probabilities(read_image(prepared / row["image"]))
        losses = pixel_losses(probabilities, label_map, ignore_index=classes.ignore_index)
        counts.add(losses, label_map)
    return counts.thresholds(params.real_rejection, split=params.calibrate_on)


def judge_pairs(
    synthesized: Path,
    segmenter: ImageScorer,
    thresholds: list[Threshold],
    classes: ClassTable,
    *,
    copies: Mapping[str, Original],
) -> Iterator[Verdict]:
    """Yield the scores of each pair, by id."""
    ignore_index = classes.ignore_index
    for _, row in read_manifest(synthesized).iterrows():
        label_map = read_label_map(synthesized / row["label_map"])
        probabilities = segmenter.probabilities(read_image(synthesized / row["image"]))
        losses = pixel_losses(probabilities, label_map, ignore_index=ignore_index)
        yield Verdict(
            row={str(name): value for name, value in row.items()},
            label_map=label_map,
            losses=losses,
            wrong=reject(losses, label_map, thresholds, ignore_index=ignore_index),
            hardness=hardness(label_map, thresholds),
            original=copies.get(row["id"]),
        )


def rejected_share(
    wrong: npt.NDArray[np.bool_], label_map: npt.NDArray[np.uint8], *, ignore_index: int
) -> float:
    """Return the share of rejected pixels among the valid ones."""
    return float(wrong.sum() / max(int((label_map != ignore_index).sum()), 1))
