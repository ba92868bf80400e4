"""GAN-train: how well does a segmenter that was trained on painted pairs alone segment real images?

The counterpart of the GAN test. A generator that repeats a few images passes the GAN test and fails here; one that
paints what real images do not show fails both. The pairs are drawn by their weights, as the arms draw them, and nothing
of the real training split is read, class weights included. Like every training it is scored on the real validation
split.
"""

from pathlib import Path

from ocrnet.checkpoint import CheckpointStore
from ocrnet.config import Params, RetrainParams
from ocrnet.data.manifest import ClassTable
from ocrnet.errors import DataError, ParamsError
from ocrnet.record import Recorder
from ocrnet.training.dataset import ImageFolder
from ocrnet.training.train import train_segmenter
from ocrnet.training.trainer import TrainingData


def train_on_pairs(
    params: Params,
    prepared: Path,
    pairs: Path,
    *,
    seed: int,
    out: Path,
    recorder: Recorder,
    checkpoints: CheckpointStore,
) -> None:
    """Train by the recipe of `train` on the pairs of a manifest folder alone, and write its bundle and scores.

    Raises:
        DataError: A manifest is missing or wrong, or the pairs have other classes.
        TrainError: The loss is not finite.
    """
    painted = ImageFolder.read(pairs, split="train")
    classes, known = ClassTable.read(prepared), ClassTable.read(pairs)
    if (known.class_names, known.ignore_index) != (classes.class_names, classes.ignore_index):
        raise DataError(
            f"{pairs}: classes are {list(known.class_names)}, those of {prepared} are {list(classes.class_names)}. "
            "Run the stages synthesize and select on this data."
        )
    # As extra rows they come by their weights; as real rows they are never drawn, only counted per class.
    data = TrainingData(
        classes=classes, real=painted, extra=painted, val=ImageFolder.read(prepared, split="val")
    )
    train_segmenter(
        params.model_copy(update={"retrain": RetrainParams(real_fraction=0.0)}),
        data,
        seed=seed,
        out=out,
        recorder=recorder,
        checkpoints=checkpoints,
    )


def with_steps(params: Params, steps: int | None) -> Params:
    """Return the params with another number of training steps; None leaves it.

    Raises:
        ParamsError: The warm-up is longer than that.
    """
    if steps is None:
        return params
    if steps <= params.train.warmup_steps:
        raise ParamsError(
            f"--steps: found {steps}, and train.warmup_steps are {params.train.warmup_steps}. Give more steps."
        )
    return params.model_copy(update={"train": params.train.model_copy(update={"steps": steps})})
