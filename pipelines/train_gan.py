"""Stage `train_gan`: train the label-map-to-image GAN on the training split."""

import sys
from pathlib import Path

from pipelines._stage.stage import Stage, run_stage
from pipelines._stage.torchrun import by_torchrun

PREPARED = Path("data/prepare")


@by_torchrun("train_gan")
def train_gan(stage: Stage) -> None:
    """Train the GAN and write the painter, its samples and its metrics."""
    recorder = stage.start_record()
    from ocrnet.checkpoint import CheckpointStore
    from ocrnet.gan.training import train

    train.train_gan(
        PREPARED,
        stage.params.train_gan,
        crop_size=stage.params.data.crop_size,
        out=stage.out,
        recorder=recorder,
        store=CheckpointStore(stage.checkpoints),
    )


if __name__ == "__main__":
    sys.exit(run_stage(train_gan, "train_gan"))
