"""One model on the whole test split: what is counted, per image and over all images."""

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from jaxtyping import Float, Int64, UInt8

from ocrnet.compare import BASELINE
from ocrnet.config import Params
from ocrnet.data.decode import read_image, read_label_map
from ocrnet.data.manifest import ClassTable, pixel_columns, read_manifest
from ocrnet.errors import BundleError, DataError
from ocrnet.metrics import (
    CALIBRATION_BINS,
    boundary_counts,
    boundary_iou,
    calibration_counts,
    calibration_error,
    confusion_matrix,
    mean_accuracy,
    per_class_iou,
    pixel_accuracy,
)


@runtime_checkable
class Segmenter(Protocol):
    """A trained model that takes an image of any size, as `ocrnet.predict` loads it."""

    class_table: ClassTable
    weights_sha256: str

    def probabilities(self, image: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, "K H W"]:
        """Return the probability of each class at each pixel."""
        ...


@dataclass(frozen=True, order=True)
class Cell:
    """One trained model: an arm and a seed; the arm `train` is the baseline, real images only."""

    arm: str
    seed: int

    @property
    def name(self) -> str:
        """The name in metrics and files."""
        return f"{self.arm}-{self.seed}"

    @property
    def stage(self) -> str:
        """The stage that trained it, with its cell, as DVC names it."""
        return f"train@{self.seed}" if self.arm == BASELINE else f"retrain@{self.name}"

    def folder(self, data: Path) -> Path:
        """Return the folder of its bundle."""
        if self.arm == BASELINE:
            return data / "train" / str(self.seed)
        return data / "retrain" / self.name


def cells_of(params: Params) -> list[Cell]:
    """Return the models that the params ask for; folders of other cells may lie about."""
    arms = (BASELINE, *params.retrain.arms)
    return [Cell(arm, seed) for arm in arms for seed in params.seeds]


@dataclass(frozen=True)
class TestSplit:
    """The test images, and what the training split says about the classes."""

    __test__ = False  # not a test case, whatever its name

    folder: Path
    table: pd.DataFrame
    classes: ClassTable
    train_shares: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.table)

    @property
    def ids(self) -> list[str]:
        """The ids of the images, in the order of every per-image array."""
        return [str(name) for name in self.table["id"]]

    @property
    def groups(self) -> list[str]:
        """The group of each image."""
        return [str(name) for name in self.table["group"]]

    def images(self) -> Iterator[tuple[UInt8[np.ndarray, "H W 3"], UInt8[np.ndarray, "H W"]]]:
        """Yield each image with its label map."""
        for image, label_map in zip(self.table["image"], self.table["label_map"], strict=True):
            yield read_image(self.folder / image), read_label_map(self.folder / label_map)


def read_test_split(folder: Path) -> TestSplit:
    """Read the test split of the prepared data.

    Raises:
        DataError: it has no image, or no pixel that is not ignored.
    """
    whole = read_manifest(folder)
    classes = ClassTable.read(folder)
    table = whole[whole["split"] == "test"].reset_index(drop=True)
    if table.empty:
        raise DataError(f"{folder}: the test split has no image. Raise prepare.test_share.")
    columns = pixel_columns(classes.class_names)
    if not table[columns].to_numpy().any():
        raise DataError(
            f"{folder}: every pixel of the test split is ignored. Check data.label_map."
        )
    train = whole[whole["split"] == "train"]
    pixels = train[columns].sum().to_numpy(dtype=np.float64)
    shares = tuple(float(share) for share in pixels / max(pixels.sum(), 1.0))
    return TestSplit(folder, table, classes, shares)


@dataclass(frozen=True)
class ModelScores:
    """What was counted of one model on the test split.

    Args:
        confusions: one confusion matrix per image, rows truth.
        boundary: intersection and union of the boundary bands per class.
        calibration: sums per confidence bin, as `calibration_counts` returns them.
        val_miou: the score on the validation split by which models are chosen.
        packed: the predicted label map of each image, compressed: a large split would fill memory.
    """

    cell: Cell
    confusions: Int64[np.ndarray, "N K K"]
    boundary: Int64[np.ndarray, "K 2"]
    calibration: Float[np.ndarray, "3 15"]
    weights_sha256: str
    val_miou: float
    packed: tuple[bytes, ...]

    def prediction(self, index: int, size: tuple[int, int]) -> UInt8[np.ndarray, "H W"]:
        """Return the predicted label map of an image of this (height, width)."""
        return np.frombuffer(zlib.decompress(self.packed[index]), np.uint8).reshape(size)


def score_model(
    cell: Cell, segmenter: Segmenter, *, split: TestSplit, val_miou: float, boundary_ratio: float
) -> ModelScores:
    """Score a model on every test image, each whole and at its own size.

    Raises:
        BundleError: the model knows other classes than the split has.
        DataError: the images scored are not as many as the split has.
    """
    if segmenter.class_table.class_names != split.classes.class_names:
        raise BundleError(
            f"{cell.stage}: the model knows {list(segmenter.class_table.class_names)}, the test "
            f"split has {list(split.classes.class_names)}. Run `dvc repro` to train it anew."
        )
    ids = {"ignore_index": split.classes.ignore_index}
    sizes = {"num_classes": split.classes.num_classes, **ids}
    confusions, packed = [], []
    boundary = np.zeros((split.classes.num_classes, 2), dtype=np.int64)
    calibration = np.zeros((3, CALIBRATION_BINS))
    for image, truth in split.images():
        probabilities = segmenter.probabilities(image)
        predicted = probabilities.argmax(axis=0).astype(np.uint8)
        confusions.append(confusion_matrix(predicted, truth, **sizes))
        packed.append(zlib.compress(predicted.tobytes(), level=1))
        boundary += boundary_counts(predicted, truth, ratio=boundary_ratio, **sizes)
        calibration += calibration_counts(probabilities, truth, **ids)
    if len(confusions) != len(split):
        raise DataError(
            f"E112 {cell.stage}: evaluated {len(confusions)} images, split has {len(split)}."
        )
    return ModelScores(
        cell=cell,
        confusions=np.stack(confusions),
        boundary=boundary,
        calibration=calibration,
        weights_sha256=segmenter.weights_sha256,
        val_miou=val_miou,
        packed=tuple(packed),
    )


def summarize(score: ModelScores) -> dict[str, Any]:
    """Return every score of one model, None where it has none.

    Means over classes are over those that the truth of the test split has, as in `compare`.
    """
    confusion = score.confusions.sum(axis=0)
    present = confusion.sum(axis=1) > 0
    iou = np.where(present, per_class_iou(confusion), np.nan)
    edges = np.where(present, boundary_iou(score.boundary), np.nan)
    return {
        "model": score.cell.name,
        "arm": score.cell.arm,
        "seed": score.cell.seed,
        "stage": score.cell.stage,
        "weights_sha256": score.weights_sha256,
        "val_miou": score.val_miou,
        "miou": _mean(iou[present]),
        "accuracy": _number(pixel_accuracy(confusion)),
        "mean_accuracy": _number(mean_accuracy(confusion)),
        "boundary_miou": _mean(edges[present]),
        "calibration_error": _number(calibration_error(score.calibration)),
        "iou": [_number(value) for value in iou],
        "boundary_iou": [_number(value) for value in edges],
        "confusion": confusion.tolist(),
        "calibration": score.calibration.tolist(),
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _mean(values: Float[np.ndarray, " N"]) -> float | None:
    return float(values.mean()) if values.size else None
