"""Training of the label-map-to-image GAN on the real images of the training split and, if asked to, on unlabelled ones.

All randomness is keyed by (seed, step). So a training that was killed and continues gives the same bits as an
uninterrupted one, and several processes draw the same numbers as one. The moving average at the last step is kept. An
earlier generator is not chosen by the discriminator's scores, because the discriminator is its opponent.
"""

import logging
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ocrnet.checkpoint import CheckpointStore
from ocrnet.config import TrainGanParams
from ocrnet.distributed.ranks import check_world_size, copy_from_first
from ocrnet.gan.generator.painter import Painter, save_painter
from ocrnet.gan.training import diagnostics
from ocrnet.gan.training.batches import Batch, Pairs
from ocrnet.gan.training.joint.train import train_joint
from ocrnet.gan.training.mixed_batches import MixedPairs
from ocrnet.gan.training.norm_statistics import estimate_statistics
from ocrnet.gan.training.rng import BatchRng
from ocrnet.gan.training.samples import write_samples
from ocrnet.gan.training.step import GanTrainer, StepLosses
from ocrnet.record import Recorder
from ocrnet.run_loop import RunLoop
from ocrnet.runtime import training_device

logger = logging.getLogger(__name__)
MEASURED_IMAGES = 16  # images per split for the diagnostics
STATISTICS_BATCHES = 16  # batches for the batch-norm statistics of the kept generator


class GanRun(RunLoop):
    """One training of the GAN, which ends after all steps or at the time limit."""

    def __init__(
        self, trainer: GanTrainer, train: Pairs, val: Pairs, *, crop_size: tuple[int, int],
        recorder: Recorder, store: CheckpointStore, pseudo: Pairs | None = None,
    ) -> None:  # fmt: skip
        super().__init__(trainer.params, recorder=recorder, store=store)
        self._trainer = trainer
        self._params = trainer.params
        self._train, self._val = train, val
        self._mixed = MixedPairs(train, pseudo, trainer.params)
        self._crop_size = crop_size
        self._health = diagnostics.HealthChecks()
        self._seconds = 0.0

    def steps_left(self) -> Iterator[int]:
        """Yield the steps that are left until the time limit."""
        params = self._params
        for step in range(self.done, params.steps):
            if self._out_of_time():
                if self.writes:
                    logger.warning(
                        "train_gan: max_seconds %g reached at step %d of %d",
                        params.max_seconds, step, params.steps,
                    )  # fmt: skip
                return
            yield step

    def take_step(self, step: int) -> None:
        """Train both networks on one batch, and measure and log at the intervals of the params."""
        started = time.monotonic()
        losses = self._trainer.step(step, self._batch(step))
        self.done = step + 1
        if self.writes:
            self._log(losses)
        self._seconds += time.monotonic() - started

    def finish(self) -> None:
        """Compute the batch-norm statistics of the kept generator."""
        self.save()
        generator = self._trainer.average.model
        estimate_statistics(generator, map(self._generator_inputs, range(STATISTICS_BATCHES)))

    def score(self) -> dict[str, float]:
        """Return the scores of the finished training."""
        scores = {**self._measure(), "gan/steps": float(self.done)}
        self._recorder.log(self.done, scores)
        return scores

    def state(self) -> dict[str, Any]:
        """Return the state that the rest of the training depends on."""
        return {"networks": self._trainer.state(), "seconds": self._seconds}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        self._trainer.restore(state["networks"])
        self._seconds = state["seconds"]

    def _out_of_time(self) -> bool:
        limit = self._params.max_seconds
        if limit is None:
            return False
        # The clock of the first process decides, so that all processes stop at the same step.
        seconds = torch.tensor([self._seconds], device=self._trainer.device)
        copy_from_first([seconds])
        return float(seconds) >= limit

    def _log(self, losses: StepLosses) -> None:
        params = self._params
        self._health.check_loss(self.done, losses.discriminator)
        values: dict[str, float] = {}
        if self.done % params.log_interval == 0 or self.done == params.steps:
            values |= {"gan/loss_g": losses.generator, "gan/loss_d": losses.discriminator}
        if self.done % params.val_interval == 0 and self.done < params.steps:
            with self.pace.pause():
                values |= self._measure()
        if values:
            self._recorder.log(self.done, values)
            numbers = "  ".join(f"{name} {value:.3f}" for name, value in values.items())
            self.log_line(f"{numbers}  {self.pace.words(self.done)}")

    def _measure(self) -> Mapping[str, float]:
        train, val = (
            pairs.windows(MEASURED_IMAGES, size=self._crop_size)
            for pairs in (self._train, self._val)
        )
        trainer = self._trainer
        scores = diagnostics.measure(
            trainer.average.model, trainer.discriminator, trainer.objective, train=train, val=val
        )
        self._health.check_scores(self.done, scores)
        return scores

    def _batch(self, step: int) -> Batch:
        return self._mixed.batch(step, size=self._crop_size)

    def _generator_inputs(self, index: int) -> tuple[Tensor, ...]:
        step = self._params.steps + index  # a step that the training does not use
        params = self._params
        rng = BatchRng("gan-statistics", params.seed, index, count=params.batch_size)
        return self._trainer.generator_inputs(self._batch(step), rng)


def train_gan(
    prepared: Path, params: TrainGanParams, *, crop_size: tuple[int, int], out: Path,
    recorder: Recorder, store: CheckpointStore, pseudo: Path | None = None,
) -> None:  # fmt: skip
    """Train the GAN on a prepared set and write the painter with a sheet of samples to `out`.

    With `train_gan.processes` above 1, each process of the group calls this function.

    Args:
        prepared: Folder of the manifest. The networks learn from its train split; val is only for the diagnostics.
        params: Params of the training.
        crop_size: Height and width of the windows in pixels, unless the params name a size.
        out: Folder for `generator.safetensors`, `gan.json` and `samples.jpg`.
        recorder: Recorder of the metrics.
        store: Store of the checkpoint from which a killed training continues.
        pseudo: Manifest folder of unlabelled images with pseudo-labels, which the networks learn from in the first
            steps; None if they see labelled images alone.

    Raises:
        ParamsError: The number of processes is not `train_gan.processes`.
        DataError: The train or the val split is empty.
        TrainError: A loss is not finite.
    """
    check_world_size("train_gan", params.processes)
    train, val = Pairs(prepared, "train"), Pairs(prepared, "val")
    trainer = GanTrainer(train.class_table.num_classes, params, device=training_device())
    size = params.crop_size or crop_size
    unlabelled = None if pseudo is None else Pairs(pseudo, "train", key=("pseudo",))
    run = GanRun(
        trainer, train, val, crop_size=size, recorder=recorder, store=store, pseudo=unlabelled
    )
    run.run()
    run.finish()
    if not run.writes:
        return
    scores = run.score()
    painter = Painter(trainer.average.model, train.class_table, style=params.style)
    write_samples(out / "samples.jpg", painter, train, val)
    save_painter(out, painter, arch=params.arch, preset_name=params.preset)
    joint_store = CheckpointStore(store.folder / "joint")
    if params.joint_steps:
        scores |= train_joint(
            train, unlabelled, params, out=out, recorder=recorder, store=joint_store,
            device=trainer.device,
        )  # fmt: skip
    recorder.finish(scores)
    for done in (store, joint_store):
        done.clear()
