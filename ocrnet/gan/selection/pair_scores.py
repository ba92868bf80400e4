"""Scores of each synthesized pair by the baseline and the training images."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Int64

from ocrnet.config import SelectParams
from ocrnet.data.decode import read_image, read_label_map
from ocrnet.data.manifest import ClassTable, read_manifest
from ocrnet.gan.quality.near_duplicates import Original
from ocrnet.gan.selection.pixel_filter import (
    LossCounts,
    Losses,
    Threshold,
    hardness,
    pixel_losses,
    reject,
)
from ocrnet.gan.selection.relabel import Relabelling
from ocrnet.protocols import SegmenterLike


@dataclass(frozen=True)
class ScoredPair:
    """A pair with its scores.

    Args:
        row: Row of the pair in its manifest.
        pixels: Number of pixels per class.
        rejected: Number of these pixels above the calibrated thresholds, per class.
        hardness: Hardness of the label map.
        original: Training image that the pair's image is a copy of, or None.
        loss: Mean over the classes of the label map of the mean loss of their pixels, in nats.
    """

    row: dict[str, Any]
    pixels: Int64[np.ndarray, " K"]
    rejected: Int64[np.ndarray, " K"]
    hardness: float
    original: Original | None
    loss: float

    @property
    def id(self) -> str:
        """The id of the pair."""
        return str(self.row["id"])

    @property
    def rejected_share(self) -> float:
        """The share of the valid pixels that are above the calibrated thresholds."""
        return float(self.rejected.sum() / max(int(self.pixels.sum()), 1))

    @property
    def wrong_share_by_class(self) -> float:
        """The mean over the classes of the label map of the share of pixels above the calibrated thresholds."""
        shown = self.pixels > 0
        return float((self.rejected[shown] / self.pixels[shown]).mean()) if shown.any() else 0.0

    def is_good(self, params: SelectParams) -> bool:
        """Return whether there is no reason to drop the pair."""
        return self.original is None and self.rejected_share <= params.max_rejected

    def reasons(self, params: SelectParams) -> list[str]:
        """Return the reasons to drop the pair; empty if it is good."""
        reasons = []
        if self.rejected_share > params.max_rejected:
            reasons.append(
                f"{self.rejected_share:.3f} of the pixels are rejected, select.max_rejected is {params.max_rejected}"
            )
        if self.original is not None:
            reasons.append(
                f"copy of {self.original.id}: {self.original.own:.3g} of its detail is its own, "
                f"select.near_duplicate is {params.near_duplicate}"
            )
        return reasons


class PixelLosses:
    """The pixel losses of pairs, as files: in memory they would need ten times the space of the images.

    Args:
        folder: Folder of the files.
        relabel: Share of the teacher in the labels of kept pairs; 0 keeps the labels of the layouts.
        ignore_index: Label of ignored pixels.
    """

    def __init__(self, folder: Path, *, relabel: float = 0.0, ignore_index: int = 255) -> None:
        self._folder = folder
        self.relabelling: Relabelling | None = None
        if relabel > 0:
            self.relabelling = Relabelling(relabel, folder, ignore_index=ignore_index)

    def save(self, pair_id: str, losses: Losses) -> None:
        """Store the losses of a pair."""
        np.save(self._folder / f"{pair_id}.npy", losses)

    def load(self, pair: ScoredPair) -> Losses:
        """Return the losses of a pair."""
        losses: Losses = np.load(self._folder / f"{pair.id}.npy")
        return losses


def real_thresholds(
    prepared: Path, segmenter: SegmenterLike, classes: ClassTable, params: SelectParams
) -> list[Threshold]:
    """Measure the thresholds on the real images of the split that the params name."""
    counts = LossCounts(classes.num_classes)
    for _, row in read_manifest(prepared, split=params.calibrate_on).iterrows():
        label_map = read_label_map(prepared / row["label_map"])
        probabilities = segmenter.probabilities(read_image(prepared / row["image"]))
        losses = pixel_losses(probabilities, label_map, ignore_index=classes.ignore_index)
        counts.add(losses, label_map)
    return counts.thresholds(params.real_rejection, split=params.calibrate_on)


def score_pairs(
    synthesized: Path,
    segmenter: SegmenterLike,
    thresholds: list[Threshold],
    classes: ClassTable,
    *,
    copies: Mapping[str, Original],
    losses: PixelLosses,
) -> Iterator[ScoredPair]:
    """Yield each pair with its scores, sorted by id, and save the pixel losses of all pairs but copies.

    Args:
        synthesized: Manifest folder of the pairs.
        segmenter: Segmenter that was trained on real images alone.
        thresholds: Threshold of each class.
        classes: Classes of the label maps.
        copies: Original of each pair that is a copy, by the id of the pair.
        losses: Store of the losses.
    """
    for _, row in read_manifest(synthesized).iterrows():
        label_map = read_label_map(synthesized / row["label_map"])
        probabilities = segmenter.probabilities(read_image(synthesized / row["image"]))
        found = pixel_losses(probabilities, label_map, ignore_index=classes.ignore_index)
        wrong = reject(found, label_map, thresholds, ignore_index=classes.ignore_index)
        pixels = class_pixels(label_map, classes.num_classes)
        original = copies.get(row["id"])
        if original is None:  # a copy is never kept, so its losses are not needed
            losses.save(row["id"], found)
            if losses.relabelling is not None:
                losses.relabelling.save(row["id"], probabilities, label_map)
        yield ScoredPair(
            row={str(name): value for name, value in row.items()},
            pixels=pixels,
            rejected=class_pixels(label_map[wrong], classes.num_classes),
            hardness=hardness(label_map, thresholds),
            original=original,
            loss=_mean_loss(found, label_map, pixels),
        )


def _mean_loss(
    losses: Losses, label_map: npt.NDArray[np.uint8], pixels: npt.NDArray[np.int64]
) -> float:
    sums = np.bincount(label_map.ravel(), weights=losses.ravel(), minlength=256)[: len(pixels)]
    shown = pixels > 0
    return float((sums[shown] / pixels[shown]).mean()) if shown.any() else 0.0


def class_pixels(labels: npt.NDArray[np.uint8], num_classes: int) -> npt.NDArray[np.int64]:
    """Return the number of labels of each class."""
    return np.bincount(labels.ravel(), minlength=256)[:num_classes].astype(np.int64)
