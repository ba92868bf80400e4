"""Stage `select`: drop wrong pixels and wrong pairs, weight the hard ones, and measure the GAN."""

import logging
import sys
from pathlib import Path

from ocrnet.config import Params
from pipelines._stage.run import Stage, run_stage

logger = logging.getLogger(__name__)
LEAST_RATIO = 0.7  # of the judge on paintings to the judge on real images
PREPARED, PAINTER, PAIRS = Path("data/prepare"), Path("data/train_gan"), Path("data/synthesize/gan")


def select(stage: Stage) -> None:
    """Select the pairs by the baseline of the first seed."""
    recorder = stage.start_record()
    from ocrnet.gan.generator.painter import load_painter
    from ocrnet.gan.quality import parse_extractor
    from ocrnet.gan.quality.extractors import build_extractor
    from ocrnet.gan.quality.features import FeatureBank
    from ocrnet.gan.quality.gan_test import gan_test
    from ocrnet.gan.quality.measure import GanTest, measure_quality
    from ocrnet.gan.selection.select import select_pairs
    from ocrnet.gan.selection.sheet import write_neighbours, write_sheet
    from ocrnet.inference.predict import load_segmenter
    from ocrnet.runtime import pick_device

    device = str(pick_device())
    judge = baseline(stage.params)
    choice = parse_extractor(stage.params.select.extractor)
    features = FeatureBank(build_extractor(choice, baseline=judge, device=device))
    segmenter = load_segmenter(judge, device=device)
    metrics = select_pairs(
        PREPARED,
        PAIRS,
        stage.params.select,
        segmenter=segmenter,
        features=features,
        out=stage.out,
        recorder=recorder,
    )
    write_sheet(stage.out, PAIRS, stage.out)
    write_neighbours(stage.out, PREPARED, PAIRS, features)
    painter = load_painter(PAINTER, device=device)
    seed = stage.params.seeds[0]
    judged = gan_test(PREPARED, painter, segmenter, seed=seed)
    gan_scores = GanTest(
        judged["gan_test/mIoU"], judged["gan_test/real_mIoU"], segmenter.weights_sha256
    )
    quality = measure_quality(
        PREPARED, PAIRS, painter=painter, features=features, gan_test=gan_scores, seed=seed, out=stage.out
    )  # fmt: skip
    if judged["gan_test/ratio"] < LEAST_RATIO:
        logger.warning(
            "select: the baseline scores the painted validation images at %.2f of the real ones; below %.1f the GAN is "
            "not there yet: raise train_gan.steps",
            judged["gan_test/ratio"], LEAST_RATIO,
        )  # fmt: skip
    recorder.finish({**metrics, **judged, **quality})


def baseline(params: Params) -> Path:
    """Return the folder of the segmenter that scores the pairs: the baseline of the first seed."""
    return Path("data/train", str(params.seeds[0]))


if __name__ == "__main__":
    sys.exit(run_stage(select, "select"))
