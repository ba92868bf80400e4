"""Training of a segmenter; the stages `train` and `retrain` share it.

It counts optimizer steps, not epochs. All randomness is keyed by (seed, step). So a run that was killed and continues
from its last checkpoint gives the same weights as an uninterrupted run; on the CPU they are bit-identical.
"""

import logging
import sys
from collections.abc import Iterable
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ocrnet.checkpoint import CheckpointStore
from ocrnet.config import Params, TrainParams
from ocrnet.config.evaluation import METRICS, MIOU
from ocrnet.data.instance_maps import thing_ids
from ocrnet.distributed.ranks import check_world_size, copy_from_first
from ocrnet.objects.least_score import best_least_score
from ocrnet.record import Recorder
from ocrnet.run_loop import RunLoop
from ocrnet.training.best import BestWeights, val_metrics
from ocrnet.training.data import TrainingData
from ocrnet.training.object_validation import match_objects, score_objects
from ocrnet.training.step import SegmenterTrainer, StepValues
from ocrnet.training.validation import score_folder

logger = logging.getLogger(__name__)


class SegmenterRun(RunLoop):
    """One training of a segmenter; it keeps the averaged weights of its best validation."""

    def __init__(
        self, params: Params, data: TrainingData, *, seed: int,
        recorder: Recorder, store: CheckpointStore,
    ) -> None:  # fmt: skip
        super().__init__(params.train, recorder=recorder, store=store)
        self._params = params
        self._data = data
        self._seed = seed
        self._trainer = SegmenterTrainer(params, data, seed=seed)
        self._metric = params.evaluate.metric
        self._best = BestWeights(self._metric)
        warn_of_idle_patience(params.train)

    def steps_left(self) -> Iterable[int]:
        """Return the steps that are left while validations still improve, with a progress bar on a terminal."""
        self._batches = self._data.batches(self._params, seed=self._seed, first=self.done)
        self._unlabelled = self._data.unlabelled_batches(
            self._params, seed=self._seed, first=self.done
        )
        steps = self._params.train.steps
        bar = tqdm(
            range(self.done, steps), initial=self.done, total=steps, unit="step",
            disable=not (self.writes and sys.stderr.isatty()),
        )  # fmt: skip
        return takewhile(lambda _: not self._stops_early(), bar)

    def take_step(self, step: int) -> None:
        """Train on one batch, and log and validate at the intervals of the params."""
        recipe = self._params.train
        values = self._trainer.step(step, next(self._batches), next(self._unlabelled))
        self.done = step + 1
        if self.done % recipe.log_interval == 0:
            self._log(values)
        if self.done % recipe.val_interval == 0 or self.done == recipe.steps:
            with self.pace.pause():
                self._validate()

    def write(self, out: Path) -> None:
        """Write the bundle, the validation scores and the final metrics."""
        recipe = self._params.train
        card = self._trainer.card
        if recipe.tune_score:
            card = replace(card, least_score=self._tune_score())
        self._best.write(out, card, {"steps": self.done, "seed": self._seed})
        metrics = self._best.metrics(self._data.classes.class_names)
        if len(self._data.streams) > 1:
            share = self._params.retrain.real_share(recipe, taken=self.done)
            metrics["train/real_share"] = share
        if self._trainer.teacher is not None:
            metrics |= self._pseudo_shares(self._trainer.teacher.shares())
        if recipe.patience:
            metrics["train/steps"] = self.done
        self._recorder.finish({**metrics, "val/best_step": self._best.step})
        self._store.clear()

    def state(self) -> dict[str, Any]:
        """Return the state that the rest of the training depends on."""
        return {"trainer": self._trainer.state(), "best": self._best.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        self._trainer.restore(state["trainer"])
        self._best.restore(state["best"])

    def _stops_early(self) -> bool:
        """Return whether the last `train.patience` validations were not better than the best one, and log it."""
        recipe = self._params.train
        # The score of a validation is the same in every process, so all of them stop at one step. Nothing but the best
        # step needs to be saved: validations before the last step are evenly spaced.
        waited = (self.done - self._best.step) // recipe.val_interval
        if not recipe.patience or self.done == recipe.steps or waited < recipe.patience:
            return False
        self.log_line(
            f"ends early: {waited} validations in a row are not better than {self._best.score:.4f} at step "
            f"{self._best.step} (train.patience {recipe.patience})"
        )
        return True

    def _log(self, values: StepValues) -> None:
        metrics = {"train/loss": values.loss, "train/lr": values.rate}
        if values.unlabelled_loss is not None and self._trainer.teacher is not None:
            metrics["train/unlabelled_loss"] = values.unlabelled_loss
            metrics |= self._pseudo_shares(self._trainer.teacher.step_shares())
        self._recorder.log(self.done, metrics)
        if not sys.stderr.isatty():
            self.log_line(f"loss {values.loss:.4f}  {self.pace.words(self.done)}")

    def _pseudo_shares(self, shares: list[float]) -> dict[str, float]:
        """Return the shares of pixels with a pseudo-label of each class, under their recorded names."""
        names = self._data.classes.class_names
        return {
            f"train/pseudo_share/{name}": share for name, share in zip(names, shares, strict=True)
        }

    def _validate(self) -> None:
        """Score the averaged weights on the whole validation images and keep them if they are the best so far."""
        trainer, classes = self._trainer, self._data.classes
        averaged = trainer.average.model
        copy_from_first(averaged.buffers())  # statistics that are not synchronised come from rank 0
        confusion = score_folder(
            averaged, self._data.val, num_classes=classes.num_classes, ignore_index=classes.ignore_index,
            mean=trainer.mean, std=trainer.std,
        )  # fmt: skip
        objects = self._score_objects() if self._metric != MIOU else None
        self._best.offer(self.done, confusion, averaged.state_dict(), objects)
        self._recorder.log(self.done, val_metrics(confusion, classes.class_names, objects))
        best = f"(best {self._best.score:.4f} at step {self._best.step})"
        score = self._best.score_of(confusion, objects)
        self.log_line(f"val/{METRICS[self._metric]} {score:.4f}  {best}")

    def _tune_score(self) -> float:
        """Return the least score of an object with which the best weights have the highest PQ on validation images."""
        model = self._trainer.average.model
        model.load_state_dict(dict(self._best.weights))
        least = best_least_score(match_objects(model, self._data.val, **self._validation()))
        self.log_line(f"objects with a score of {least:g} or more are kept (train.tune_score)")
        return least

    def _validation(self) -> dict[str, Any]:
        """Return what the matching of the objects of validation images depends on."""
        trainer, classes = self._trainer, self._data.classes
        return {
            "things": thing_ids(classes, self._data.things), "ignore_index": classes.ignore_index,
            "mean": trainer.mean, "std": trainer.std,
        }  # fmt: skip

    def _score_objects(self) -> dict[str, float]:
        """Return PQ and AP50 of the averaged weights on the validation images."""
        return score_objects(self._trainer.average.model, self._data.val, **self._validation())


def warn_of_idle_patience(recipe: TrainParams) -> None:
    """Warn if no training of these params can end early."""
    if recipe.patience and (recipe.patience + 1) * recipe.val_interval >= recipe.steps:
        logger.warning(
            "train.patience %d has no effect: the first validation and %d more take %d of train.steps %d. "
            "Set a smaller train.patience or train.val_interval",
            recipe.patience, recipe.patience, (recipe.patience + 1) * recipe.val_interval, recipe.steps,
        )  # fmt: skip


def train_segmenter(
    params: Params,
    data: TrainingData,
    *,
    seed: int,
    out: Path,
    recorder: Recorder,
    checkpoints: CheckpointStore,
) -> None:
    """Train a segmenter and write its bundle, its validation scores and its final metrics into `out`.

    It keeps the averaged weights of the validation with the highest score, which is the mIoU, or PQ or AP50 if
    `evaluate.metric` says so, and ends before its last step if
    `train.patience` validations in a row are not better. With `train.processes` above 1, each process
    of the group calls this function.

    Raises:
        ParamsError: The number of processes is not `train.processes`.
        TrainError: The loss is not finite; the message names the images of the batch.
    """
    check_world_size("train", params.train.processes)
    run = SegmenterRun(params, data, seed=seed, recorder=recorder, store=checkpoints)
    run.run()
    if run.writes:
        run.write(out)
