"""A few real steps of the configured trainings, to say how long a run takes."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from ocrnet.auto_config.step_times import StepTimes
from ocrnet.config import Params
from ocrnet.gan.training.batches import Pairs
from ocrnet.gan.training.step import GanTrainer
from ocrnet.runtime import pick_device
from ocrnet.training.data import TrainingData
from ocrnet.training.step import SegmenterTrainer
from ocrnet.training.validation import score_folder

SPEED_UP = 0.8  # N threads are taken to be N ** 0.8 times as fast as one: this was not measured
STEPS = 4  # measured steps: one of them is the GAN's dearer one with LabelMix
IMAGES = 4  # validation images that are scored


def measure_steps(prepared: Path, params: Params) -> StepTimes:
    """Run a few steps of both trainings on a prepared set, and score a few of its images.

    On a CPU they run on one thread, and their processor time counts: so other programs hardly change the result, which
    is divided by the speed-up of the threads that a training has.

    Args:
        prepared: Folder of the manifest.
        params: Params of the run.

    Raises:
        ParamsError: The network does not accept the crops.
        TrainError: A loss is not finite.
    """
    data = TrainingData.read(prepared)
    trainer = SegmenterTrainer(params, data, seed=0)
    batches = data.batches(params, seed=0)
    train_s = _seconds(lambda step: trainer.step(step, next(batches)))
    val = replace(data.val, table=data.val.table.head(IMAGES))

    def score(_: int) -> object:
        return score_folder(
            trainer.average.model, val, num_classes=data.classes.num_classes,
            ignore_index=data.classes.ignore_index, mean=trainer.mean, std=trainer.std,
        )  # fmt: skip

    score_s = _seconds(score, steps=1) / len(val)
    return StepTimes(train_s, _seconds(_gan_step(prepared, params)), score_s)


def _gan_step(prepared: Path, params: Params) -> Callable[[int], object]:
    recipe = params.train_gan
    pairs = Pairs(prepared, "train")
    trainer = GanTrainer(pairs.class_table.num_classes, recipe, device=pick_device())
    size = recipe.crop_size or params.data.crop_size

    def run(step: int) -> object:
        batch = pairs.batch(
            step,
            seed=0,
            count=recipe.batch_size,
            size=size,
            flip=recipe.flip,
            rare_crops=recipe.rare_crops,
        )
        return trainer.step(step, batch)

    return run


def _seconds(run: Callable[[int], object], steps: int = STEPS) -> float:
    """Return the seconds of a step; the first one, which is slower, does not count."""
    if torch.cuda.is_available():
        return _wall_s(run, steps)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        run(0)
        start = time.process_time()
        for step in range(1, steps + 1):
            run(step)
        return (time.process_time() - start) / steps / math.pow(threads, SPEED_UP)
    finally:
        torch.set_num_threads(threads)


def _wall_s(run: Callable[[int], object], steps: int) -> float:
    run(0)
    torch.cuda.synchronize()
    start = time.perf_counter()
    for step in range(1, steps + 1):
        run(step)
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / steps
