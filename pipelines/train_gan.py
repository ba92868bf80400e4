"""Stage `train_gan`: train the label-map-to-image GAN on the training split and, if asked to, on pseudo-labels."""

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

    params = stage.params.train_gan
    train.train_gan(
        PREPARED,
        params,
        crop_size=stage.params.data.crop_size,
        out=stage.out,
        recorder=recorder,
        store=CheckpointStore(stage.checkpoints),
        pseudo=Path(params.pairs) if params.sees_unlabelled else None,
    )


if __name__ == "__main__":
    sys.exit(run_stage(train_gan, "train_gan"))
