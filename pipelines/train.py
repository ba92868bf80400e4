"""Stage `train@SEED`: OCRNet on real images only."""

import sys
from pathlib import Path

from pipelines._stage.stage import Stage, run_stage
from pipelines._stage.torchrun import by_torchrun


@by_torchrun("train")
def train(stage: Stage) -> None:
    """Train the baseline of one seed."""
    recorder = stage.start_record()
    from ocrnet.checkpoint import CheckpointStore
    from ocrnet.training.data import TrainingData
    from ocrnet.training.train import train_segmenter

    (seed,) = stage.cell
    data = TrainingData.read(Path("data/prepare"))
    train_segmenter(
        stage.params,
        data,
        seed=int(seed),
        out=stage.out,
        recorder=recorder,
        checkpoints=CheckpointStore(stage.checkpoints),
    )


if __name__ == "__main__":
    sys.exit(run_stage(train, "train"))
