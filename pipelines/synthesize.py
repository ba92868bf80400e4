"""Stage `synthesize`: compose new label layouts and generate their images, each with its lineage."""

import sys
from pathlib import Path

from ocrnet.config import Params
from ocrnet.config.gan import JOINT
from pipelines._stage.stage import Stage, run_stage

PREPARED, PAINTER = Path("data/prepare"), Path("data/train_gan")


def synthesize(stage: Stage) -> None:
    """Compose layouts, generate their images, and compose copy-paste controls.

    The controls cost little and are always made: otherwise a new arm would change the output of this stage, which is
    the input of all arms, and all would train again. So are the pairs of hybrid painting by a GAN that paints holes.
    """
    recorder = stage.start_record()
    from ocrnet.gan.generator.joint import load_joint
    from ocrnet.gan.generator.painter import load_painter
    from ocrnet.gan.layouts.synthesize import synthesize_pairs
    from ocrnet.runtime import pick_device

    device = str(pick_device())
    painter = load_painter(PAINTER, device=device)
    draws_joint = stage.params.synthesize.operations.get(JOINT, 0) > 0
    synthesize_pairs(
        PREPARED,
        stage.params.synthesize,
        painter=painter,
        hole_painter=painter if painter.fills_holes else None,
        joint=load_joint(PAINTER, device=device) if draws_joint else None,
        out=stage.out,
        recorder=recorder,
        baseline=baseline(stage.params),
        with_copy_paste=True,
    )


def baseline(params: Params) -> Path:
    """Return the folder of the segmenter whose validation scores give the hard classes."""
    return Path("data/train", str(params.seeds[0]))


if __name__ == "__main__":
    sys.exit(run_stage(synthesize, "synthesize"))
