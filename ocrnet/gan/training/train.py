"""Training of the label-map-to-image GAN on the real images of the training split.

All randomness is keyed by (seed, step), so a training that was killed continues to the same bits as one that was
not, and several processes draw the same numbers as one. The generator that is kept is the moving average at the last
step: an earlier one picked by the discriminator's scores would be picked by its own opponent.
"""

import logging
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ocrnet.checkpoint import CheckpointStore
from ocrnet.config import TrainGanParams
from ocrnet.distributed.ranks import copy_from_first, is_distributed, rank
from ocrnet.gan.generator.painter import Painter, save_painter
from ocrnet.gan.training import diagnostics as gauges
from ocrnet.gan.training.batches import Batch, Pairs
from ocrnet.gan.training.ema import estimate_statistics
from ocrnet.gan.training.rng import BatchDraws
from ocrnet.gan.training.samples import write_samples
from ocrnet.gan.training.step import GanTrainer, StepLosses
from ocrnet.record import Recorder
from ocrnet.runtime import Pace, pick_device

logger = logging.getLogger(__name__)
GAUGE_IMAGES = 16  # of each split, from which the gauges are measured
STATISTICS_BATCHES = 16  # from which the batch-norm statistics of the kept generator are estimated


class _Run:
    """One training from its first step, or its last checkpoint, to its end."""

    def __init__(
        self, trainer: GanTrainer, train: Pairs, val: Pairs, *, crop_size: tuple[int, int],
        recorder: Recorder, store: CheckpointStore,
    ) -> None:  # fmt: skip
        self._trainer = trainer
        self._train, self._val = train, val
        self._crop_size = crop_size
        self._recorder = recorder
        self._store = store
        self._guards = gauges.Guards()
        self._writes = rank() == 0
        self._done = 0
        self._seconds = 0.0
        self._pace = self._new_pace()

    def train(self) -> None:
        """Take all steps, or those that fit into the time box."""
        params = self._trainer.params
        self._resume()
        self._pace = self._new_pace()
        while self._done < params.steps and not self._out_of_time():
            started = time.monotonic()
            losses = self._trainer.step(self._done, self._batch(self._done))
            self._done += 1
            if self._writes:
                self._log(losses)
            self._seconds += time.monotonic() - started
            if self._done % params.checkpoint_interval == 0:
                self._save()
        if self._done < params.steps and self._writes:
            logger.warning(
                "train_gan: max_seconds %g reached at step %d of %d",
                params.max_seconds, self._done, params.steps,
            )  # fmt: skip

    def _new_pace(self) -> Pace:
        params = self._trainer.params
        return Pace(params.steps, first=self._done, images=params.batch_size)

    def _out_of_time(self) -> bool:
        limit = self._trainer.params.max_seconds
        if limit is None:
            return False
        # All stop at the same step: the first process's clock decides.
        seconds = torch.tensor([self._seconds], device=self._trainer.device)
        copy_from_first([seconds])
        return float(seconds) >= limit

    def finish(self) -> None:
        """Give the kept generator its batch-norm statistics."""
        self._save()
        generator = self._trainer.ema.generator
        estimate_statistics(generator, map(self._labels_and_z, range(STATISTICS_BATCHES)))

    def score(self) -> Mapping[str, float]:
        """Return the scores of the finished training."""
        scores = {**self._measure(), "gan/steps": float(self._done)}
        self._recorder.log(self._done, scores)
        return scores

    def _log(self, losses: StepLosses) -> None:
        params = self._trainer.params
        self._guards.check_loss(self._done, losses.discriminator)
        values: dict[str, float] = {}
        if self._done % params.log_interval == 0 or self._done == params.steps:
            values |= {"gan/loss_g": losses.generator, "gan/loss_d": losses.discriminator}
        if self._done % params.val_interval == 0 and self._done < params.steps:
            with self._pace.pause():
                values |= self._measure()
        if values:
            self._recorder.log(self._done, values)
            numbers = "  ".join(f"{name} {value:.3f}" for name, value in values.items())
            logger.info(
                "step %*d/%d  %s  %s", len(str(params.steps)), self._done, params.steps, numbers,
                self._pace.words(self._done),
            )  # fmt: skip

    def _measure(self) -> Mapping[str, float]:
        train, val = (
            pairs.windows(GAUGE_IMAGES, size=self._crop_size) for pairs in (self._train, self._val)
        )
        trainer = self._trainer
        scores = gauges.measure(
            trainer.ema.generator, trainer.discriminator, trainer.design, train=train, val=val
        )
        self._guards.check_scores(self._done, scores)
        return scores

    def _batch(self, step: int) -> Batch:
        params = self._trainer.params
        return self._train.batch(
            step,
            seed=params.seed,
            count=params.batch_size,
            size=self._crop_size,
            flip=params.flip,
            rare_crops=params.rare_crops,
        )

    def _labels_and_z(self, index: int) -> tuple[Tensor, Tensor]:
        step = self._trainer.params.steps + index  # a step that no training takes
        label_maps = self._batch(step).label_maps.to(self._trainer.device)
        params = self._trainer.params
        draws = BatchDraws("gan-statistics", params.seed, index, count=params.batch_size)
        return label_maps, self._trainer.draw_z(label_maps, draws)

    def _save(self) -> None:
        if not self._writes:
            return
        self._store.save(
            {
                "networks": self._trainer.state(),
                "done": self._done,
                "seconds": self._seconds,
                "lines": self._recorder.state(),
            }
        )

    def _resume(self) -> None:
        state = self._store.load()
        if state is None:
            return
        self._trainer.restore(state["networks"])
        self._done, self._seconds = state["done"], state["seconds"]
        self._recorder.restore(state["lines"])
        logger.info("resuming at step %d", self._done)


def train_gan(
    prepared: Path, params: TrainGanParams, *, crop_size: tuple[int, int], out: Path,
    recorder: Recorder, store: CheckpointStore,
) -> None:  # fmt: skip
    """Train the GAN on a prepared set and write the painter with a sheet of samples to `out`.

    With `train_gan.processes` above 1 it starts that many processes and waits for them; called by one of several
    processes, it takes its part.

    Args:
        prepared: Folder of the manifest. The networks learn from its train split; val is only measured.
        params: Parameters of the training.
        crop_size: Height and width of the windows it learns from if the params name none.
        out: Folder for `generator.safetensors`, `gan.json` and `samples.jpg`.
        recorder: Recorder of the metrics.
        store: Store of the checkpoint from which a killed training continues.

    Raises:
        ParamsError: There are fewer CUDA devices than processes.
        DataError: The train or the val split is empty.
        TrainError: A loss is not finite.
    """
    if params.processes > 1 and not is_distributed():
        from ocrnet.distributed.launch import launch  # seldom needed and slow to import
        from ocrnet.gan.training.job import GanJob

        launch(
            GanJob(
                params,
                prepared=prepared,
                crop_size=crop_size,
                out=out,
                record=recorder.folder,
                times=recorder.times,
                checkpoints=store.folder,
                log_level=logger.getEffectiveLevel(),
            )
        )
        return
    train, val = Pairs(prepared, "train"), Pairs(prepared, "val")
    trainer = GanTrainer(train.class_table.num_classes, params, device=pick_device())
    size = params.crop_size or crop_size
    run = _Run(trainer, train, val, crop_size=size, recorder=recorder, store=store)
    run.train()
    run.finish()
    if rank() != 0:
        return
    recorder.finish(run.score())
    painter = Painter(trainer.ema.generator, train.class_table, style=params.style)
    write_samples(out / "samples.jpg", painter, train, val)
    save_painter(out, painter, arch=params.arch, preset_name=params.preset)
    store.clear()
