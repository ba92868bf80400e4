"""Synthesized pairs: layouts from the training split with images that the GAN generates, each with its lineage.

Only the training split and the validation scores of the baseline are read. On request a second folder gets the pairs
of the control arm without a GAN: images composed from the pixels of the layouts' real parents. It has as many pairs,
and the same layouts where they can be composed. Any other layout is replaced by one from the same seed and weights
whose operation can be composed.
"""

import json
import logging
import shutil
from pathlib import Path

from ocrnet.config import SynthesizeParams
from ocrnet.data.manifest import file_sha256
from ocrnet.gan.layouts.catalog import Catalog
from ocrnet.gan.layouts.compose import can_compose, compose
from ocrnet.gan.layouts.draw import check_operations, draw_layout, draw_real_layout
from ocrnet.gan.layouts.operations.interface import LayoutInputs
from ocrnet.gan.layouts.pair_folder import PairFolder
from ocrnet.gan.layouts.sampling_weights import SCORES_FILE, SamplingWeights, ValScores
from ocrnet.gan.layouts.tally import Tally
from ocrnet.protocols import PainterLike
from ocrnet.record import Recorder
from ocrnet.runtime import layout_seed

logger = logging.getLogger(__name__)
GAN, COPY_PASTE = "gan", "copy_paste"  # folders and origins
LAYOUTS_FILE = "layouts.json"
LOG_INTERVAL = 16  # pairs


def synthesize_pairs(
    prepared: Path,
    params: SynthesizeParams,
    *,
    painter: PainterLike,
    out: Path,
    recorder: Recorder,
    baseline: Path | None = None,
    with_copy_paste: bool = False,
) -> None:
    """Draw layouts and write them with their images into `out/gan` (and `out/copy_paste`).

    `out/layouts.json` has the counts of the drawn layouts, the sampling weights, and the full hashes of the generator
    and of the baseline's scores.

    Args:
        prepared: Manifest folder of the real images.
        params: Params of the stage.
        painter: Painter with the trained GAN.
        out: Output folder of the stage.
        recorder: Recorder of the stage's metrics.
        baseline: Folder of the trained segmenter, whose validation scores define the hardness of classes; without
            it all classes are equally hard.
        with_copy_paste: Whether to also write the pairs of the control arm.

    Raises:
        ParamsError: The operations are unknown or impossible on this data.
        DataError: The painter or the baseline was trained on other classes, or the baseline has no scores.
    """
    catalog = Catalog(prepared)
    check_operations(params, catalog)
    painter.class_table.require_same(
        catalog.classes, place="the painter", other=str(prepared),
        cure="Run the stage train_gan on this data.",
    )  # fmt: skip
    scores = None if baseline is None else ValScores.read(baseline, catalog.classes.class_names)
    inputs = LayoutInputs(catalog, params, SamplingWeights(catalog, params, scores))
    for name in (GAN, COPY_PASTE):
        shutil.rmtree(out / name, ignore_errors=True)
    tallies = {GAN: _paint(inputs, painter, out, recorder)}
    if with_copy_paste:
        tallies[COPY_PASTE] = _compose(inputs, out)
    lineage = {
        "generator_sha256": painter.sha256,
        "scores_sha256": None if baseline is None else file_sha256(baseline / SCORES_FILE),
    }
    _write_layouts(out / LAYOUTS_FILE, tallies, inputs, lineage)
    recorder.finish(tallies[GAN].metrics())


def _write_layouts(
    path: Path, tallies: "dict[str, Tally]", inputs: LayoutInputs, lineage: dict[str, str | None]
) -> None:
    drawn = {name: tally.as_json(inputs.weights) for name, tally in tallies.items()}
    text = json.dumps({**drawn, "lineage": lineage}, indent=1, allow_nan=False)
    path.write_text(text + "\n")


def _paint(inputs: LayoutInputs, painter: PainterLike, out: Path, recorder: Recorder) -> Tally:
    folder = PairFolder(out / GAN, inputs.catalog, generator=painter.sha256[:16])
    tally = Tally(inputs.catalog)
    for index in range(inputs.params.count):
        layout = draw_layout(inputs, seed=layout_seed(inputs.params.seed, index))
        folder.add(layout, painter.paint(layout.label_map, seed=layout.seed))
        tally.add(layout)
        if (index + 1) % LOG_INTERVAL == 0:
            logger.info("synthesized %d/%d pairs", index + 1, inputs.params.count)
            recorder.log(index + 1, tally.shares_by_name())
    folder.finish()
    return tally


def _compose(inputs: LayoutInputs, out: Path) -> Tally:
    folder = PairFolder(out / COPY_PASTE, inputs.catalog, generator="")
    tally = Tally(inputs.catalog)
    replaced = 0
    for index in range(inputs.params.count):
        layout = draw_layout(inputs, seed=layout_seed(inputs.params.seed, index))
        if not can_compose(layout.steps):
            layout, replaced = draw_real_layout(inputs, seed=layout.seed), replaced + 1
        folder.add(layout, compose(inputs.catalog, layout.steps))
        tally.add(layout)
    folder.finish()
    logger.info(
        "copy-paste: %d pairs, %d of them with replaced layouts, because real pixels cannot show the GAN's layouts",
        inputs.params.count, replaced,
    )  # fmt: skip
    return tally
