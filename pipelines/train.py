"""Stage `train@SEED`: OCRNet on real images only."""

import sys
from pathlib import Path

from pipelines._stage import Stage, run_stage


def train(stage: Stage) -> None:
    """Train the baseline of one seed."""
    recorder = stage.start_record()
    from ocrnet.checkpoint import CheckpointStore
    from ocrnet.train import train_segmenter
    from ocrnet.trainer import TrainingData

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
    sys.exit(
        run_stage(
            train,
            "train",
            cell=("seed",),
            uses=(
                "data.crop_size",
                "data.value_range",
                "data.exif",
                "prepare.resize",
                "model",
                "train",
            ),
            inputs=lambda params, cell: [Path("data/prepare")],
        )
    )
