"""Stage `retrain@ARM-SEED`: the same recipe and number of steps, on real data and the extra data of the arm."""

import sys
from pathlib import Path

from ocrnet.config import Params
from ocrnet.data.arms import extra_folder
from pipelines._stage import Stage, run_stage


def retrain(stage: Stage) -> None:
    """Train one seed of one arm."""
    recorder = stage.start_record()
    from ocrnet.checkpoint import CheckpointStore
    from ocrnet.train import train_segmenter
    from ocrnet.trainer import TrainingData

    arm, seed = stage.cell
    data = TrainingData.read(Path("data/prepare"), extra=extra_folder(arm, Path("data")))
    train_segmenter(
        stage.params,
        data,
        seed=int(seed),
        out=stage.out,
        recorder=recorder,
        checkpoints=CheckpointStore(stage.checkpoints),
    )


def _inputs(params: Params, cell: tuple[str, ...]) -> list[Path]:
    return [Path("data/prepare"), extra_folder(cell[0], Path("data"))]


if __name__ == "__main__":
    sys.exit(
        run_stage(
            retrain,
            "retrain",
            cell=("arm", "seed"),
            uses=(
                "data.crop_size",
                "data.value_range",
                "data.exif",
                "prepare.resize",
                "model",
                "train",
                "retrain.real_fraction",
                "retrain.synthetic_weight",
                "retrain.real_tail",
            ),
            inputs=_inputs,
        )
    )
