"""Models, splits, and the scores of one model, or of an ensemble, on a split."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from jaxtyping import Float, UInt8

from ocrnet.config import Params
from ocrnet.config.arms import BASELINE
from ocrnet.data.decode import read_image, read_label_map
from ocrnet.data.manifest import ClassTable, pixel_columns, read_manifest
from ocrnet.errors import BundleError, DataError
from ocrnet.evaluation.counting import Counts, ImageCounts, add_up, count_image, summarize


@runtime_checkable
class Segmenter(Protocol):
    """A trained model, or an ensemble of several, that takes an image of any size."""

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
    """Return the models that the params ask for; folders of other cells are ignored."""
    arms = (BASELINE, *params.retrain.arms)
    return [Cell(arm, seed) for arm in arms for seed in dict.fromkeys(params.seeds)]


@runtime_checkable
class Loader(Protocol):
    """A function that loads the segmenter of a bundle, or the ensemble of several."""

    def __call__(self, *folders: Path) -> Segmenter:
        """Return the segmenter."""
        ...


@dataclass(frozen=True)
class TestSplit:
    """The images to score, and the share of each class in the training split."""

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

    @property
    def sha256(self) -> str:
        """A hash of all that a score on this split depends on; other splits and the palette do not change it."""
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
        """Yield the image of each row, or of some, with its label map."""
        for index in range(len(self)) if rows is None else rows:
            row = self.table.iloc[index]
            yield (
                read_image(self.folder / row["image"]),
                read_label_map(self.folder / row["label_map"]),
            )


def read_test_split(folder: Path, *, split: str = "test") -> TestSplit:
    """Read the test split of the prepared data, or another to score.

    Raises:
        DataError: The split has no image, or no pixel that is not ignored.
    """
    whole = read_manifest(folder)
    classes = ClassTable.read(folder)
    table = whole[whole["split"] == split].reset_index(drop=True)
    if table.empty:
        raise DataError(
            f"{folder}: the {split} split has no image. Change prepare.val_share and prepare.test_share."
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
        val_miou: mIoU on the validation split, by which models are chosen.
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
        """What the model is, and its scores."""
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
    """Counts of the seeds of an arm as an ensemble; no comparison and no choice uses them."""

    cells: tuple[Cell, ...]
    weights_sha256: str

    @property
    def name(self) -> str:
        """The name in metrics and files."""
        return f"{self.cells[0].arm}-ensemble"

    @property
    def summary(self) -> dict[str, Any]:
        """What the ensemble is, and its scores; it has no validation score."""
        return {
            "model": self.name,
            "arm": self.cells[0].arm,
            "seeds": [cell.seed for cell in self.cells],
            "weights_sha256": self.weights_sha256,
            "val_miou": None,
            **summarize(self),
        }


def count_split(
    segmenter: Segmenter,
    split: TestSplit,
    *,
    place: str,
    boundary_ratio: float,
    rows: Iterable[int] | None = None,
) -> list[ImageCounts]:
    """Score every image of a split, or some rows of it, one at a time and each at its own size.

    Raises:
        BundleError: The model, which `place` names, was trained on other classes than the split has.
    """
    known, classes = segmenter.class_table.class_names, split.classes
    if known != classes.class_names:
        raise BundleError(
            f"{place}: the model knows {list(known)}, the data have {list(classes.class_names)}. "
            "Run `dvc repro` to train it anew, or score it on its own data."
        )
    return [
        count_image(
            segmenter.probabilities(image), truth, classes=classes, boundary_ratio=boundary_ratio
        )
        for image, truth in split.images(rows)
    ]


def score_model(
    cell: Cell, segmenter: Segmenter, *, split: TestSplit, val_miou: float, boundary_ratio: float
) -> ModelScores:
    """Score a model on every test image.

    Raises:
        BundleError: The model was trained on other classes than the split has.
        DataError: The number of scored images differs from that of the split.
    """
    images = count_split(segmenter, split, place=cell.stage, boundary_ratio=boundary_ratio)
    counts = _all_images(images, split, cell.stage)
    sha256 = segmenter.weights_sha256
    return ModelScores(**vars(counts), cell=cell, weights_sha256=sha256, val_miou=val_miou)


def score_ensemble(
    cells: Sequence[Cell], segmenter: Segmenter, *, split: TestSplit, boundary_ratio: float
) -> EnsembleScores:
    """Score the models of one arm, loaded as one segmenter, on every test image.

    Raises:
        BundleError: The models were trained on other classes than the split has.
        DataError: The number of scored images differs from that of the split.
    """
    place = " + ".join(cell.stage for cell in cells)
    images = count_split(segmenter, split, place=place, boundary_ratio=boundary_ratio)
    counts = _all_images(images, split, place)
    sha256 = segmenter.weights_sha256
    return EnsembleScores(**vars(counts), cells=tuple(cells), weights_sha256=sha256)


def _all_images(images: Sequence[ImageCounts], split: TestSplit, place: str) -> Counts:
    if len(images) != len(split):
        raise DataError(f"E112 {place}: evaluated {len(images)} images, split has {len(split)}.")
    return add_up(images)
