"""Stage `select`: drop wrong pixels and wrong pairs, weight the hard ones, and measure the GAN.

The arms `copy_paste` and `hybrid` get the same selection as the arm `gan`, and the real images of the arms `real_twice`
and `real_rim` get the same sampling weights, or a part of the difference would be that of the selection.
"""

import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ocrnet.config import Params
from pipelines._stage.stage import Stage, run_stage

if TYPE_CHECKING:
    from ocrnet.protocols import SegmenterLike

logger = logging.getLogger(__name__)
LEAST_RATIO = 0.7  # mIoU of the baseline on generated images over its mIoU on real ones
PREPARED, PAINTER, PAIRS = Path("data/prepare"), Path("data/train_gan"), Path("data/synthesize/gan")
ALIKE = (Path("data/synthesize/copy_paste"), Path("data/synthesize/hybrid"))  # pairs of other arms


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
    for pairs in ALIKE:
        metrics |= _select_alike(stage, pairs, segmenter)
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


def _select_alike(stage: Stage, pairs: Path, segmenter: "SegmenterLike") -> dict[str, float]:
    """Select the pairs of another arm into its folder; without such pairs do nothing."""
    if not pairs.is_dir():
        return {}
    from ocrnet.gan.selection.select import select_pairs
    from ocrnet.gan.selection.sheet import write_sheet

    out = stage.out / pairs.name
    out.mkdir()
    found = select_pairs(
        PREPARED, pairs, stage.params.select, segmenter=segmenter, features=None, out=out
    )
    if pairs.name == "hybrid":
        write_sheet(out, pairs, out)
    return {name.replace("select/", f"select_{pairs.name}/", 1): n for name, n in found.items()}


def baseline(params: Params) -> Path:
    """Return the folder of the segmenter that scores the pairs: the baseline of the first seed."""
    return Path("data/train", str(params.seeds[0]))


if __name__ == "__main__":
    sys.exit(run_stage(select, "select"))
