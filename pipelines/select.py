"""Stage `select`: drop wrong pixels and wrong pairs, weight the hard ones, and judge the GAN."""

import logging
import sys
from pathlib import Path

from ocrnet.config import Params
from pipelines._stage import Stage, run_stage

logger = logging.getLogger(__name__)
LEAST_RATIO = 0.7  # of the judge on paintings to the judge on real images
PREPARED, PAINTER, PAIRS = Path("data/prepare"), Path("data/train_gan"), Path("data/synthesize/gan")


def select(stage: Stage) -> None:
    """Select the pairs by the baseline of the first seed."""
    recorder = stage.start_record()
    from ocrnet.gan.judge import gan_test
    from ocrnet.gan.painter import load_painter
    from ocrnet.gan.select import select_pairs
    from ocrnet.gan.sheet import write_sheet
    from ocrnet.predict import load_segmenter
    from ocrnet.runtime import pick_device

    device = str(pick_device())
    segmenter = load_segmenter(baseline(stage.params), device=device)
    metrics = select_pairs(
        PREPARED,
        PAIRS,
        stage.params.select,
        segmenter=segmenter,
        out=stage.out,
        recorder=recorder,
    )
    write_sheet(stage.out, PAIRS, stage.out)
    painter = load_painter(PAINTER, device=device)
    judged = gan_test(PREPARED, painter, segmenter, seed=stage.params.seeds[0])
    if judged["gan_test/ratio"] < LEAST_RATIO:
        logger.warning(
            "select: the baseline scores the painted validation images at %.2f of the real ones; below %.1f the GAN is "
            "not there yet: raise train_gan.steps",
            judged["gan_test/ratio"], LEAST_RATIO,
        )  # fmt: skip
    recorder.finish({**metrics, **judged})


def baseline(params: Params) -> Path:
    """Return the folder of the segmenter that judges: the baseline of the first seed."""
    return Path("data/train", str(params.seeds[0]))


if __name__ == "__main__":
    sys.exit(
        run_stage(
            select,
            "select",
            uses=("select",),
            inputs=lambda params, cell: [PREPARED, PAINTER, PAIRS, baseline(params)],
        )
    )
