"""Stage `select`: drop wrong pixels and wrong pairs, weight the hard ones, and measure the GAN.

The control arm `copy_paste` gets the same selection as the arm `gan`, and the real images of the arms `real_twice` and
`real_rim` get the same sampling weights, or a part of the difference would be that of the selection.
"""

import json
import logging
import sys
from pathlib import Path

from ocrnet.config import Params
from pipelines._stage.stage import Stage, run_stage

logger = logging.getLogger(__name__)
LEAST_RATIO = 0.7  # mIoU of the baseline on generated images over its mIoU on real ones
PREPARED, PAINTER, PAIRS = Path("data/prepare"), Path("data/train_gan"), Path("data/synthesize/gan")
COPY_PASTE = Path("data/synthesize/copy_paste")


def select(stage: Stage) -> None:
    """Select the pairs by the baseline of the first seed."""
    recorder = stage.start_record()
    from ocrnet.gan.generator.painter import load_painter
    from ocrnet.gan.quality import parse_extractor
    from ocrnet.gan.quality.extractors import build_extractor
    from ocrnet.gan.quality.features import FeatureBank
    from ocrnet.gan.quality.gan_test import gan_test
    from ocrnet.gan.quality.measure import GanTest, measure_quality
    from ocrnet.gan.selection.pixel_filter import from_json
    from ocrnet.gan.selection.real_controls import write_real_controls
    from ocrnet.gan.selection.select import THRESHOLDS_FILE, select_pairs
    from ocrnet.gan.selection.sheet import write_neighbours, write_sheet
    from ocrnet.inference.predict import load_segmenter
    from ocrnet.runtime import pick_device

    device = str(pick_device())
    baseline_folder = baseline(stage.params)
    choice = parse_extractor(stage.params.select.extractor)
    features = FeatureBank(build_extractor(choice, baseline=baseline_folder, device=device))
    segmenter = load_segmenter(baseline_folder, device=device)
    metrics = select_pairs(
        PREPARED,
        PAIRS,
        stage.params.select,
        segmenter=segmenter,
        features=features,
        out=stage.out,
        recorder=recorder,
    )
    controls = stage.out / COPY_PASTE.name
    controls.mkdir()
    found = select_pairs(
        PREPARED, COPY_PASTE, stage.params.select, segmenter=segmenter, features=None, out=controls
    )
    metrics |= {name.replace("select/", "select_copy_paste/", 1): n for name, n in found.items()}
    thresholds = from_json(json.loads((stage.out / THRESHOLDS_FILE).read_text()))
    metrics |= write_real_controls(
        PREPARED, stage.out, thresholds, rejected_share=metrics["select/rejected_share"]
    )
    write_sheet(stage.out, PAIRS, stage.out)
    write_neighbours(stage.out, PREPARED, PAIRS, features)
    painter = load_painter(PAINTER, device=device)
    seed = stage.params.seeds[0]
    test_scores = gan_test(PREPARED, painter, segmenter, seed=seed)
    gan_scores = GanTest(
        test_scores["gan_test/mIoU"], test_scores["gan_test/real_mIoU"], segmenter.weights_sha256
    )
    quality = measure_quality(
        PREPARED, PAIRS, painter=painter, features=features, gan_test=gan_scores, seed=seed, out=stage.out
    )  # fmt: skip
    if test_scores["gan_test/ratio"] < LEAST_RATIO:
        logger.warning(
            "select: the baseline's mIoU on generated validation images is %.2f of that on real ones; below %.1f "
            "the GAN needs more training: raise train_gan.steps",
            test_scores["gan_test/ratio"], LEAST_RATIO,
        )  # fmt: skip
    recorder.finish({**metrics, **test_scores, **quality})


def baseline(params: Params) -> Path:
    """Return the folder of the segmenter that scores the pairs: the baseline of the first seed."""
    return Path("data/train", str(params.seeds[0]))


if __name__ == "__main__":
    sys.exit(run_stage(select, "select"))
