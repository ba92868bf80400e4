"""Models, splits, and the scores of one model, or of an ensemble, on a split."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from jaxtyping import UInt8

from ocrnet.config import Params
from ocrnet.config.arms import BASELINE
from ocrnet.data.decode import read_image, read_label_map
from ocrnet.data.manifest import ClassTable, pixel_columns, read_manifest
from ocrnet.errors import DataError
from ocrnet.evaluation.prediction_counts import Counts, ImageCounts, add_up, count_image, summarize
from ocrnet.protocols import SegmenterLike


@dataclass(frozen=True, order=True)
class Cell:
    """One trained model: an arm and a seed; the arm `train` is the baseline."""

    arm: str
    seed: int

    @property
    def name(self) -> str:
        """The name in metrics and files."""
        return f"{self.arm}-{self.seed}"

    @property
    def stage(self) -> str:
        """The stage that trained it, with its cell, as DVC spells it."""
        return f"train@{self.seed}" if self.arm == BASELINE else f"retrain@{self.name}"

    def folder(self, data: Path) -> Path:
        """Return the folder of its bundle."""
        if self.arm == BASELINE:
            return data / "train" / str(self.seed)
        return data / "retrain" / self.name


def cells_of(params: Params) -> list[Cell]:
    """Return the models of the params; folders of other cells are ignored."""
    arms = (BASELINE, *params.retrain.arms)
    return [Cell(arm, seed) for arm in arms for seed in dict.fromkeys(params.seeds)]


@runtime_checkable
class Loader(Protocol):
    """A function that loads the segmenter of a bundle, or the ensemble of several."""

    def __call__(self, *folders: Path) -> SegmenterLike:
        """Return the segmenter."""
        ...


@dataclass(frozen=True)
class TestSplit:
    """The images to score, and the share of each class in the training split.

    Args:
        folder: Folder of the manifest.
        table: Rows of the split in the manifest.
        classes: Classes of the set.
        train_shares: Share of each class in the labelled pixels of the training split.
    """

    __test__ = False  # pytest must not collect it as a test case

    folder: Path
    table: pd.DataFrame
    classes: ClassTable
    train_shares: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.table)

    @property
    def ids(self) -> list[str]:
        """The ids of the images, in the order of all per-image arrays."""
        return [str(name) for name in self.table["id"]]

    @property
    def groups(self) -> list[str]:
        """The group of each image."""
        return [str(name) for name in self.table["group"]]

    @property
    def sha256(self) -> str:
        """A hash of everything that a score on this split depends on; it is independent of other splits and colours."""
        columns = ["id", "group", "image_sha256", "label_map_sha256"]
        content = {
            "images": [[str(row[name]) for name in columns] for _, row in self.table.iterrows()],
            "class_names": self.classes.class_names,
            "ignore_index": self.classes.ignore_index,
        }
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def images(
        self, rows: Iterable[int] | None = None
    ) -> Iterator[tuple[UInt8[np.ndarray, "H W 3"], UInt8[np.ndarray, "H W"]]]:
        """Yield image and label map of each row, or of some rows."""
        for index in range(len(self)) if rows is None else rows:
            row = self.table.iloc[index]
            yield (
                read_image(self.folder / row["image"]),
                read_label_map(self.folder / row["label_map"]),
            )


def read_test_split(folder: Path, *, split: str = "test") -> TestSplit:
    """Read the test split of the prepared data, or another split.

    Raises:
        DataError: The split has no image, or no pixel that is not ignored.
    """
    whole = read_manifest(folder)
    classes = ClassTable.read(folder)
    table = whole[whole["split"] == split].reset_index(drop=True)
    if table.empty:
        raise DataError(
            f"{folder}: the {split} split has no image. Raise prepare.val_share or prepare.test_share."
        )
    columns = pixel_columns(classes.class_names)
    if not table[columns].to_numpy().any():
        raise DataError(
            f"{folder}: every pixel of the {split} split is ignored. Check data.label_map."
        )
    train = whole[whole["split"] == "train"]
    pixels = train[columns].sum().to_numpy(dtype=np.float64)
    shares = tuple(float(share) for share in pixels / max(pixels.sum(), 1.0))
    return TestSplit(folder, table, classes, shares)


@dataclass(frozen=True)
class ModelScores(Counts):
    """Counts of one model.

    Args:
        cell: Arm and seed of the model.
        weights_sha256: SHA-256 of the weights.
        val_miou: mIoU on the validation split, which decides between models.
    """

    cell: Cell
    weights_sha256: str
    val_miou: float

    @property
    def name(self) -> str:
        """The name in metrics and files."""
        return self.cell.name

    @property
    def summary(self) -> dict[str, Any]:
        """The description of the model and its scores."""
        return {
            "model": self.name,
            "arm": self.cell.arm,
            "seed": self.cell.seed,
            "stage": self.cell.stage,
            "weights_sha256": self.weights_sha256,
            "val_miou": self.val_miou,
            **summarize(self),
        }


@dataclass(frozen=True)
class EnsembleScores(Counts):
    """Counts of the seeds of an arm as an ensemble, which is never compared or chosen."""

    cells: tuple[Cell, ...]
    weights_sha256: str

    @property
    def name(self) -> str:
        """The name in metrics and files."""
        return f"{self.cells[0].arm}-ensemble"

    @property
    def summary(self) -> dict[str, Any]:
        """The description of the ensemble and its scores; it has no validation score."""
        return {
            "model": self.name,
            "arm": self.cells[0].arm,
            "seeds": [cell.seed for cell in self.cells],
            "weights_sha256": self.weights_sha256,
            "val_miou": None,
            **summarize(self),
        }


def count_split(
    segmenter: SegmenterLike,
    split: TestSplit,
    *,
    place: str,
    boundary_ratio: float,
    rows: Iterable[int] | None = None,
) -> list[ImageCounts]:
    """Score every image of a split, or some rows of it, one at a time and at its original size.

    Raises:
        DataError: The classes of the model differ from the classes of the split; the message starts with `place`.
    """
    classes = split.classes
    segmenter.class_table.require_same_names(
        classes, place=f"{place}: the model", other="the data",
        cure="Run `dvc repro` to train it again, or score it on its own data.",
    )  # fmt: skip
    return [
        count_image(
            segmenter.probabilities(image), truth, classes=classes, boundary_ratio=boundary_ratio
        )
        for image, truth in split.images(rows)
    ]


def score_model(
    cell: Cell,
    segmenter: SegmenterLike,
    *,
    split: TestSplit,
    val_miou: float,
    boundary_ratio: float,
) -> ModelScores:
    """Score a model on every test image.

    Raises:
        DataError: The classes of the model differ from the classes of the split, or not all images were scored.
    """
    images = count_split(segmenter, split, place=cell.stage, boundary_ratio=boundary_ratio)
    counts = _all_images(images, split, cell.stage)
    sha256 = segmenter.weights_sha256
    return ModelScores(**vars(counts), cell=cell, weights_sha256=sha256, val_miou=val_miou)


def score_ensemble(
    cells: Sequence[Cell], segmenter: SegmenterLike, *, split: TestSplit, boundary_ratio: float
) -> EnsembleScores:
    """Score the models of one arm, loaded as one segmenter, on every test image.

    Raises:
        DataError: The classes of the models differ from the classes of the split, or not all images were scored.
    """
    place = " + ".join(cell.stage for cell in cells)
    images = count_split(segmenter, split, place=place, boundary_ratio=boundary_ratio)
    counts = _all_images(images, split, place)
    sha256 = segmenter.weights_sha256
    return EnsembleScores(**vars(counts), cells=tuple(cells), weights_sha256=sha256)


def _all_images(images: Sequence[ImageCounts], split: TestSplit, place: str) -> Counts:
    if len(images) != len(split):
        raise DataError(
            f"E112 {place}: evaluated {len(images)} images, but the split has {len(split)}. Report this bug."
        )
    return add_up(images)
