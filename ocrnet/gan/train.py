"""Training of the label-map-to-image GAN on the real images of the training split.

All randomness is keyed by (seed, step), so a killed training goes on to the same bits as one that was not. The
generator that is kept is the moving average at the last step: an earlier one picked by the discriminator's scores would
be picked by its own opponent.
"""

import logging
import time
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ocrnet.checkpoint import CheckpointStore
from ocrnet.config import TrainGanParams
from ocrnet.gan import gauges
from ocrnet.gan.ema import estimate_statistics
from ocrnet.gan.painter import save_painter
from ocrnet.gan.pairs import Batch, Pairs
from ocrnet.gan.samples import write_samples
from ocrnet.gan.trainer import GanTrainer, StepLosses
from ocrnet.runtime import keyed_generator, pick_device
from ocrnet.tracking import Recorder

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
        self._done = 0
        self._seconds = 0.0

    def train(self) -> None:
        """Take all steps, or those that fit into the time box."""
        params = self._trainer.params
        self._resume()
        while self._done < params.steps and not self._out_of_time():
            started = time.monotonic()
            losses = self._trainer.step(self._done, self._batch(self._done))
            self._done += 1
            self._log(losses)
            self._seconds += time.monotonic() - started
            if self._done % params.checkpoint_interval == 0:
                self._save()
        if self._done < params.steps:
            logger.warning(
                "train_gan: max_seconds %g reached at step %d of %d",
                params.max_seconds, self._done, params.steps,
            )  # fmt: skip

    def _out_of_time(self) -> bool:
        limit = self._trainer.params.max_seconds
        return limit is not None and self._seconds >= limit

    def finish(self) -> Mapping[str, float]:
        """Give the kept generator its batch-norm statistics and return its scores."""
        self._save()
        generator = self._trainer.ema.generator
        estimate_statistics(generator, map(self._labels_and_z, range(STATISTICS_BATCHES)))
        scores = {**self._measure(), "gan/steps": float(self._done)}
        self._recorder.log(self._done, scores)
        return scores

    def _log(self, losses: StepLosses) -> None:
        params = self._trainer.params
        values: dict[str, float] = {}
        if self._done % params.log_interval == 0 or self._done == params.steps:
            values |= {"gan/loss_g": losses.generator, "gan/loss_d": losses.discriminator}
        if self._done % params.val_interval == 0 and self._done < params.steps:
            values |= self._measure()
        if values:
            self._recorder.log(self._done, values)
            numbers = "  ".join(f"{name} {value:.3f}" for name, value in values.items())
            logger.info(
                "step %*d/%d  %s", len(str(params.steps)), self._done, params.steps, numbers
            )

    def _measure(self) -> Mapping[str, float]:
        train, val = (
            pairs.windows(GAUGE_IMAGES, size=self._crop_size) for pairs in (self._train, self._val)
        )
        trainer = self._trainer
        scores = gauges.measure(trainer.ema.generator, trainer.discriminator, train=train, val=val)
        if scores["gan/diversity"] < gauges.MIN_DIVERSITY:
            logger.warning(
                "train_gan: step %d: two styles of one label map differ by %.4f only: the GAN ignores z",
                self._done, scores["gan/diversity"],
            )  # fmt: skip
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
        draws = keyed_generator("gan-statistics", self._trainer.params.seed, index)
        return label_maps, self._trainer.draw_z(label_maps, draws)

    def _save(self) -> None:
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

    Args:
        prepared: the folder of the manifest. The networks learn from its train split; val is only looked at.
        params: the numbers of the training.
        crop_size: height and width of the windows it learns from where params name none.
        out: where `generator.safetensors`, `gan.json` and `samples.jpg` go.
        recorder: gets the metrics.
        store: holds the checkpoint from which a killed training goes on.

    Raises:
        DataError: the train or the val split is empty.
        TrainError: a loss is not finite.
    """
    train, val = Pairs(prepared, "train"), Pairs(prepared, "val")
    trainer = GanTrainer(train.class_table.num_classes, params, device=pick_device())
    size = params.crop_size or crop_size
    run = _Run(trainer, train, val, crop_size=size, recorder=recorder, store=store)
    run.train()
    scores = run.finish()
    recorder.finish(scores)
    write_samples(out / "samples.jpg", trainer.ema.generator, train, val)
    save_painter(
        out, trainer.ema.generator, class_table=train.class_table, preset_name=params.preset
    )
    store.clear()
