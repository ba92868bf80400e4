"""Models, and the scores of one model, or of an ensemble, on a split."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from ocrnet.config import Params
from ocrnet.config.arms import BASELINE
from ocrnet.config.evaluation import MIOU, Metric
from ocrnet.errors import DataError
from ocrnet.evaluation.prediction_counts import Counts, ImageCounts, add_up, count_image, summarize
from ocrnet.evaluation.scored_split import TestSplit
from ocrnet.objects.matching import compare_objects
from ocrnet.protocols import SegmenterLike

FOLDS = "train_fold"  # name of the models that are trained without a fold, which are no arm


@dataclass(frozen=True, order=True)
class Cell:
    """One trained model: an arm and a seed; the arm `train` is the baseline, and `train_fold` has folds as seeds."""

    arm: str
    seed: int

    @property
    def name(self) -> str:
        """The name in metrics and files."""
        return f"{self.arm}-{self.seed}"

    @property
    def stage(self) -> str:
        """The stage that trained it, with its cell, as DVC spells it."""
        if self.arm in (BASELINE, FOLDS):
            return f"{self.arm}@{self.seed}"
        return f"retrain@{self.name}"

    def folder(self, data: Path) -> Path:
        """Return the folder of its bundle."""
        if self.arm in (BASELINE, FOLDS):
            return data / self.arm / str(self.seed)
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
class ModelScores(Counts):
    """Counts of one model.

    Args:
        cell: Arm and seed of the model.
        weights_sha256: SHA-256 of the weights.
        val_miou: mIoU on the validation split, which decides between models.
        val_objects: PQ and AP50 on the validation split, one of which decides if `evaluate.metric` names it; None if
            that is the mIoU.
    """

    cell: Cell
    weights_sha256: str
    val_miou: float
    val_objects: Mapping[str, float] | None = field(default=None, kw_only=True)

    @property
    def name(self) -> str:
        """The name in metrics and files."""
        return self.cell.name

    def val_score(self, metric: Metric) -> float:
        """Return the validation score that `evaluate.metric` names."""
        if metric == MIOU:
            return self.val_miou
        assert self.val_objects is not None
        return self.val_objects[metric]

    @property
    def summary(self) -> dict[str, Any]:
        """The description of the model and its scores."""
        objects = self.val_objects or {}
        return {
            "model": self.name,
            "arm": self.cell.arm,
            "seed": self.cell.seed,
            "stage": self.cell.stage,
            "weights_sha256": self.weights_sha256,
            "val_miou": self.val_miou,
            **{f"val_{name}": value for name, value in objects.items()},
            **summarize(self),
        }


@dataclass(frozen=True)
class EnsembleScores(Counts):
    """Counts of the seeds of an arm, or of the folds, as an ensemble, which is never compared or chosen."""

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
    min_object_area: int = 1,
) -> list[ImageCounts]:
    """Score every image of a split, or some rows of it, one at a time and at its original size.

    Objects are scored if the split has thing classes; a smaller predicted object than `min_object_area` is left out.

    Raises:
        DataError: The classes of the model differ from the classes of the split; the message starts with `place`.
    """
    # Imports torch, which pages of scores do not need.
    from ocrnet.objects.grouping import find_objects

    classes = split.classes
    segmenter.class_table.require_same_names(
        classes, place=f"{place}: the model", other="the data",
        cure="Run `dvc repro` to train it again, or score it on its own data.",
    )  # fmt: skip
    chosen = range(len(split)) if rows is None else rows
    counts = []
    # Not strict: the caller counts what was scored (E112).
    for index, (image, truth) in zip(chosen, split.images(rows), strict=False):
        probabilities = segmenter.probabilities(image)
        found = count_image(probabilities, truth, classes=classes, boundary_ratio=boundary_ratio)
        if split.things:
            things = split.thing_ids
            objects = find_objects(
                segmenter, image, probabilities, things, min_area=min_object_area
            )
            ignored = truth == split.classes.ignore_index
            true = split.true_objects(index, truth)
            least = getattr(segmenter, "least_score", 0.0)  # other code's models have none
            matched = compare_objects(
                objects, true, ignored=ignored, things=things, least_score=least
            )
            found = found._replace(objects=matched)
        counts.append(found)
    return counts


def score_model(
    cell: Cell,
    segmenter: SegmenterLike,
    *,
    split: TestSplit,
    val_miou: float,
    boundary_ratio: float,
    min_object_area: int = 1,
) -> ModelScores:
    """Score a model on every test image.

    Raises:
        DataError: The classes of the model differ from the classes of the split, or not all images were scored.
    """
    images = count_split(
        segmenter, split, place=cell.stage, boundary_ratio=boundary_ratio, min_object_area=min_object_area,
    )  # fmt: skip
    counts = _all_images(images, split, cell.stage)
    sha256 = segmenter.weights_sha256
    return ModelScores(**vars(counts), cell=cell, weights_sha256=sha256, val_miou=val_miou)


def score_ensemble(
    cells: Sequence[Cell],
    segmenter: SegmenterLike,
    *,
    split: TestSplit,
    boundary_ratio: float,
    min_object_area: int = 1,
) -> EnsembleScores:
    """Score the models of one arm, loaded as one segmenter, on every test image.

    Raises:
        DataError: The classes of the models differ from the classes of the split, or not all images were scored.
    """
    place = " + ".join(cell.stage for cell in cells)
    images = count_split(
        segmenter, split, place=place, boundary_ratio=boundary_ratio, min_object_area=min_object_area,
    )  # fmt: skip
    counts = _all_images(images, split, place)
    sha256 = segmenter.weights_sha256
    return EnsembleScores(**vars(counts), cells=tuple(cells), weights_sha256=sha256)


def _all_images(images: Sequence[ImageCounts], split: TestSplit, place: str) -> Counts:
    if len(images) != len(split):
        raise DataError(
            f"E112 {place}: evaluated {len(images)} images, but the split has {len(split)}. Report this bug."
        )
    return add_up(images)
