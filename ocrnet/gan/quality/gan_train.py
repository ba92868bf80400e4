"""GAN-train: how well does a segmenter that was trained on synthesized pairs alone segment real images?

The counterpart of GAN-test. A generator that repeats a few images passes GAN-test and fails here; a generator of
unrealistic images fails both. The pairs are drawn by their weights, as in the arms. Nothing of the real training split
is read, not even class weights. Like every training it is scored on the real validation split.
"""

from pathlib import Path

from ocrnet.checkpoint import CheckpointStore
from ocrnet.config import Params
from ocrnet.data.manifest import ClassTable
from ocrnet.errors import ParamsError
from ocrnet.record import Recorder
from ocrnet.training.data import TrainingData
from ocrnet.training.dataset import ImageFolder
from ocrnet.training.train import train_segmenter


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
    known.require_same(
        classes, place=str(pairs), other=str(prepared),
        cure="Run the stages synthesize and select on this data.",
    )  # fmt: skip
    # As extra rows they are drawn by their weights; as real rows they are never drawn, only counted per class.
    data = TrainingData(
        classes=classes, real=painted, extra=painted, val=ImageFolder.read(prepared, split="val")
    )
    alone = {"real_fraction": 0.0, "synthetic_weight": 1.0, "real_tail": 0.0}
    train_segmenter(
        params.model_copy(update={"retrain": params.retrain.model_copy(update=alone)}),
        data,
        seed=seed,
        out=out,
        recorder=recorder,
        checkpoints=checkpoints,
    )


def with_steps(params: Params, steps: int | None) -> Params:
    """Return the params with another number of training steps; None keeps the number.

    Raises:
        ParamsError: The warm-up is not shorter.
    """
    if steps is None:
        return params
    if steps <= params.train.warmup_steps:
        raise ParamsError(
            f"--steps: found {steps}, allowed are more than train.warmup_steps {params.train.warmup_steps}. "
            "Set more steps."
        )
    return params.model_copy(update={"train": params.train.model_copy(update={"steps": steps})})
