"""Synthesized pairs: layouts from the training split with images that the GAN generates, each with its lineage.

Only the training split and the validation scores of the baseline are read. On request a second folder gets the pairs
of the control arm without a GAN: images composed from the pixels of the layouts' real parents. It has as many pairs,
and the same layouts where they can be composed. Any other layout is replaced by one from the same seed and weights
whose operation can be composed.

A painter that paints holes gives a third folder, of hybrid painting: real images in which it painted only what the
layout changes, with a rim. Its layouts and seeds are those of the GAN's pairs.
"""

import json
import logging
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ocrnet.config import SynthesizeParams
from ocrnet.data.manifest import file_sha256
from ocrnet.gan.layouts.catalog import Catalog
from ocrnet.gan.layouts.compose import Layout, can_compose, compose, image_with_hole
from ocrnet.gan.layouts.draw import check_operations, draw_layout, draw_real_layout
from ocrnet.gan.layouts.operations.interface import LayoutInputs
from ocrnet.gan.layouts.operations.joint import joint_image
from ocrnet.gan.layouts.pair_folder import PairFolder
from ocrnet.gan.layouts.sampling_weights import SCORES_FILE, SamplingWeights, ValScores
from ocrnet.gan.layouts.tally import Tally
from ocrnet.protocols import HolePainterLike, JointLike, PainterLike
from ocrnet.record import Recorder
from ocrnet.runtime import layout_seed

logger = logging.getLogger(__name__)
GAN, COPY_PASTE, HYBRID = "gan", "copy_paste", "hybrid"  # folders and origins
LAYOUTS_FILE = "layouts.json"
LOG_INTERVAL = 16  # pairs


def synthesize_pairs(  # noqa: PLR0913
    prepared: Path,
    params: SynthesizeParams,
    *,
    painter: PainterLike,
    out: Path,
    recorder: Recorder,
    baseline: Path | None = None,
    with_copy_paste: bool = False,
    hole_painter: HolePainterLike | None = None,
    joint: JointLike | None = None,
) -> None:
    """Draw layouts and write them with their images into `out/gan` (and `out/copy_paste`, `out/hybrid`).

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
        hole_painter: Painter of the pairs of hybrid painting, which are not written without one.
        joint: Joint generator, for the operation `joint`.

    Raises:
        ParamsError: The operations are unknown or impossible on this data.
        DataError: The painter or the baseline was trained on other classes, or the baseline has no scores.
    """
    catalog = Catalog(prepared)
    check_operations(params, catalog, joint)
    painter.class_table.require_same(
        catalog.classes, place="the painter", other=str(prepared),
        cure="Run the stage train_gan on this data.",
    )  # fmt: skip
    scores = None if baseline is None else ValScores.read(baseline, catalog.classes.class_names)
    inputs = LayoutInputs(catalog, params, SamplingWeights(catalog, params, scores), joint)
    for name in (GAN, COPY_PASTE, HYBRID):
        shutil.rmtree(out / name, ignore_errors=True)
    tallies = {GAN: _paint(inputs, painter, out, recorder)}
    if hole_painter is not None:
        _fill(inputs, hole_painter, out)
    if with_copy_paste:
        tallies[COPY_PASTE] = _compose(inputs, out)
    lineage = {
        "generator_sha256": painter.sha256,
        "scores_sha256": None if baseline is None else file_sha256(baseline / SCORES_FILE),
        **({} if joint is None else {"joint_sha256": joint.sha256}),
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
        for painting, number in _paintings(layout, inputs, index):
            image = joint_image(painting.steps, inputs)
            if image is None:
                image = painter.paint(painting.label_map, seed=painting.seed)
            folder.add(painting, image, number=number)
        tally.add(layout)
        if (index + 1) % LOG_INTERVAL == 0:
            logger.info("synthesized %d/%d pairs", index + 1, inputs.params.count)
            recorder.log(index + 1, tally.shares_by_name())
    folder.finish()
    return tally


def _fill(inputs: LayoutInputs, painter: HolePainterLike, out: Path) -> None:
    """Write the pairs of hybrid painting, of the layouts and the seeds of the GAN's pairs."""
    folder = PairFolder(out / HYBRID, inputs.catalog, generator=painter.sha256[:16])
    for index in range(inputs.params.count):
        layout = draw_layout(inputs, seed=layout_seed(inputs.params.seed, index))
        real, hole = image_with_hole(inputs.catalog, layout.steps)
        for painting, number in _paintings(layout, inputs, index):
            image = real
            if hole.any():
                image = painter.fill(real, hole, layout.label_map, seed=painting.seed)
            folder.add(painting, image, number=number)
    folder.finish()
    logger.info("hybrid painting: %d layouts", inputs.params.count)


def _paintings(
    layout: Layout, inputs: LayoutInputs, index: int
) -> Iterator[tuple[Layout, int | None]]:
    """Yield a layout once per painting, each with the seed of the painting; and its number if there are several."""
    count = inputs.params.paintings
    for painting in range(count):
        seed = layout.seed if painting == 0 else layout_seed(layout.seed, painting)
        yield replace(layout, seed=seed), None if count == 1 else index


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
