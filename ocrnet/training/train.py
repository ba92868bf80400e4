"""Training of a segmenter: the one recipe that real-only and augmented training share.

It counts optimizer steps, never epochs. Everything random is keyed by (seed, step), so a run that was killed
continues from its last checkpoint to the same weights as one that was not, to the bit on the CPU.
"""

import logging
import sys
from pathlib import Path

from tqdm import tqdm

from ocrnet.checkpoint import CheckpointStore
from ocrnet.config import Params
from ocrnet.distributed.ranks import is_distributed, rank
from ocrnet.record import Recorder
from ocrnet.training.trainer import Trainer, TrainingData

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

    It keeps the averaged weights of the validation with the highest mIoU. With `train.processes` above 1 it
    starts that many processes and waits for them; called by one of several processes, it takes its part.

    Raises:
        ParamsError: There are fewer CUDA devices than processes.
        TrainError: The loss is not finite; the message names the images of the batch.
    """
    if params.train.processes > 1 and not is_distributed():
        # What starts processes is seldom needed, and it imports this module's neighbours.
        from ocrnet.distributed.launch import launch
        from ocrnet.training.job import Job

        job = Job(
            params, data, seed=seed, out=out, record=recorder.folder, times=recorder.times,
            checkpoints=checkpoints.folder, log_level=logger.getEffectiveLevel(),
        )  # fmt: skip
        launch(job)
        return
    trainer = Trainer(params, data, seed=seed, recorder=recorder)
    state = checkpoints.load()
    if state is not None:
        trainer.restore(state)
        logger.info("resuming at step %d of %d", trainer.step, params.train.steps)
    writes = rank() == 0
    for batch in tqdm(
        trainer.batches(), initial=trainer.step, total=params.train.steps, unit="step",
        disable=not (writes and sys.stderr.isatty()),
    ):  # fmt: skip
        trainer.advance(batch)
        if writes and trainer.step % params.train.checkpoint_interval == 0:
            checkpoints.save(trainer.state())
    if writes:
        trainer.write(out)
        checkpoints.clear()
