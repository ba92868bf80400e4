"""Stage `retrain@ARM-SEED`: the same recipe and number of steps, on real data and the extra data of the arm."""

import sys
from pathlib import Path

from ocrnet.config.arms import extra_folder, pseudo_label_folder, uses_mean_teacher
from pipelines._stage.stage import Stage, run_stage
from pipelines._stage.torchrun import by_torchrun


@by_torchrun("train")
def retrain(stage: Stage) -> None:
    """Train one seed of one arm."""
    recorder = stage.start_record()
    from ocrnet.checkpoint import CheckpointStore
    from ocrnet.training.data import TrainingData
    from ocrnet.training.train import train_segmenter

    arm, seed = stage.cell
    data = TrainingData.read(
        Path("data/prepare"),
        extra=extra_folder(arm, Path("data")),
        pseudo=pseudo_label_folder(arm, Path("data"), int(seed)),
        unlabelled=uses_mean_teacher(arm),
    )
    train_segmenter(
        stage.params,
        data,
        seed=int(seed),
        out=stage.out,
        recorder=recorder,
        checkpoints=CheckpointStore(stage.checkpoints),
    )


if __name__ == "__main__":
    sys.exit(run_stage(retrain, "retrain"))
