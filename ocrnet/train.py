"""Training of a segmenter: the one recipe that real-only and augmented training share.

It counts optimizer steps, never epochs. Everything random is keyed by (seed, step), so a run that was killed
goes on from its last checkpoint to the same weights, to the bit on the CPU, as one that was not.
"""

import logging
import sys
from pathlib import Path

from tqdm import tqdm

from ocrnet.checkpoint import CheckpointStore
from ocrnet.config import Params
from ocrnet.tracking import Recorder
from ocrnet.trainer import Trainer, TrainingData

logger = logging.getLogger(__name__)


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

    The weights kept are the averaged ones of the validation with the highest mIoU.

    Raises:
        TrainError: the loss is not finite; the message names the images of the batch.
    """
    trainer = Trainer(params, data, seed=seed, recorder=recorder)
    state = checkpoints.load()
    if state is not None:
        trainer.restore(state)
        logger.info("resuming at step %d of %d", trainer.step, params.train.steps)
    for batch in tqdm(
        trainer.batches(), initial=trainer.step, total=params.train.steps, unit="step",
        disable=not sys.stderr.isatty(),
    ):  # fmt: skip
        trainer.advance(batch)
        if trainer.step % params.train.checkpoint_interval == 0:
            checkpoints.save(trainer.state())
    trainer.write(out)
    checkpoints.clear()
