"""Stage `synthesize`: new label layouts, painted by the GAN, each with its lineage."""

import sys
from pathlib import Path

from pipelines._stage import Stage, run_stage

PREPARED, PAINTER = Path("data/prepare"), Path("data/train_gan")


def synthesize(stage: Stage) -> None:
    """Draw and paint layouts, and compose the copy-paste rival where an arm asks for it."""
    recorder = stage.start_record()
    from ocrnet.gan.painter import load_painter
    from ocrnet.gan.synthesize import synthesize_pairs
    from ocrnet.runtime import pick_device

    synthesize_pairs(
        PREPARED,
        stage.params.synthesize,
        painter=load_painter(PAINTER, device=str(pick_device())),
        out=stage.out,
        recorder=recorder,
        with_copy_paste="copy_paste" in stage.params.retrain.arms,
    )


if __name__ == "__main__":
    sys.exit(
        run_stage(
            synthesize,
            "synthesize",
            uses=("synthesize", "retrain.arms"),
            inputs=lambda params, cell: [PREPARED, PAINTER],
        )
    )
