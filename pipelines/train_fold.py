"""Stage `train_fold@FOLD`: OCRNet on the real training images without one fold, scored on that fold."""

import sys
from pathlib import Path

from pipelines._stage.stage import Stage, run_stage
from pipelines._stage.torchrun import by_torchrun


@by_torchrun("train")
def train_fold(stage: Stage) -> None:
    """Train the model of one fold with the recipe and the first seed of the stage `train`."""
    recorder = stage.start_record()
    from ocrnet.checkpoint import CheckpointStore
    from ocrnet.training.data import TrainingData
    from ocrnet.training.folds import score_fold, split_folds, without_fold
    from ocrnet.training.train import train_segmenter

    number, params = int(stage.cell[0]), stage.params
    data = TrainingData.read(Path("data/prepare"))
    groups = [str(name) for name in data.real.table["group"]]
    held_out = split_folds(groups, len(params.folds))[number - 1]
    rest, fold = without_fold(data, held_out)
    train_segmenter(
        params,
        rest,
        seed=params.seeds[0],
        out=stage.out,
        recorder=recorder,
        checkpoints=CheckpointStore(stage.checkpoints),
    )
    score_fold(stage.out, fold, number=number)


if __name__ == "__main__":
    sys.exit(run_stage(train_fold, "train_fold"))
