"""Synthesized pairs: layouts from the training split, painted by the GAN, each with its lineage.

Only the training split is read and, of the validation split, the scores of the baseline. On request a second folder
holds layouts composed from the pixels of their real parents: the control without a GAN. It has as many pairs, and the
same layouts wherever real pixels show all of a layout. In place of any other layout it has one that is drawn from the
same seed and odds by the operations that can be composed.
"""

import json
import logging
import shutil
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from ocrnet.config import SynthesizeParams
from ocrnet.data.manifest import ClassTable, file_sha256
from ocrnet.errors import DataError
from ocrnet.gan.layouts.catalog import Catalog
from ocrnet.gan.layouts.compose import can_compose, compose
from ocrnet.gan.layouts.draw import check_operations, draw_layout, draw_real_layout
from ocrnet.gan.layouts.operation import Plan
from ocrnet.gan.layouts.pair_folder import PairFolder
from ocrnet.gan.layouts.sampling import SCORES_FILE, Odds, ValScores
from ocrnet.gan.layouts.tally import Tally
from ocrnet.record import Recorder
from ocrnet.runtime import layout_seed

logger = logging.getLogger(__name__)
GAN, COPY_PASTE = "gan", "copy_paste"  # folders and origins
LAYOUTS_FILE = "layouts.json"
LOG_INTERVAL = 16  # pairs


@runtime_checkable
class LayoutPainter(Protocol):
    """A painter of label maps."""

    @property
    def sha256(self) -> str:
        """The SHA-256 of the weights."""

    @property
    def class_table(self) -> ClassTable:
        """The classes that it was trained on."""

    def paint(self, label_map: npt.NDArray[np.uint8], *, seed: int) -> npt.NDArray[np.uint8]:
        """Return an image (H, W, 3) of a label map (H, W)."""


def synthesize_pairs(
    prepared: Path,
    params: SynthesizeParams,
    *,
    painter: LayoutPainter,
    out: Path,
    recorder: Recorder,
    baseline: Path | None = None,
    with_copy_paste: bool = False,
) -> None:
    """Draw layouts and write them with their images into `out/gan` (and `out/copy_paste`).

    `out/layouts.json` holds what was drawn, by which odds, and the full hashes of the generator and of the baseline's
    scores.

    Args:
        prepared: Manifest folder of the real images.
        params: Parameters of the stage.
        painter: Trained GAN.
        out: Folder of the stage.
        recorder: Recorder of the stage's metrics.
        baseline: Folder of the trained segmenter whose validation scores say which classes are hard; without it
            all are equally hard.
        with_copy_paste: Whether to write the control too.

    Raises:
        ParamsError: The operations are unknown or impossible on this data.
        DataError: The painter or the baseline was trained on other classes, or the baseline has no scores.
    """
    catalog = Catalog(prepared)
    check_operations(params, catalog)
    check_classes(painter, catalog.classes, place=prepared)
    scores = None if baseline is None else ValScores.read(baseline, catalog.classes.class_names)
    plan = Plan(catalog, params, Odds(catalog, params, scores))
    for name in (GAN, COPY_PASTE):
        shutil.rmtree(out / name, ignore_errors=True)
    tallies = {GAN: _paint(plan, painter, out, recorder)}
    if with_copy_paste:
        tallies[COPY_PASTE] = _compose(plan, out)
    lineage = {
        "generator_sha256": painter.sha256,
        "scores_sha256": None if baseline is None else file_sha256(baseline / SCORES_FILE),
    }
    _write_layouts(out / LAYOUTS_FILE, tallies, plan, lineage)
    recorder.finish(tallies[GAN].metrics())


def _write_layouts(
    path: Path, tallies: "dict[str, Tally]", plan: Plan, lineage: dict[str, str | None]
) -> None:
    drawn = {name: tally.as_json(plan.odds) for name, tally in tallies.items()}
    text = json.dumps({**drawn, "lineage": lineage}, indent=1, allow_nan=False)
    path.write_text(text + "\n")


def _paint(plan: Plan, painter: LayoutPainter, out: Path, recorder: Recorder) -> Tally:
    folder = PairFolder(out / GAN, plan.catalog, generator=painter.sha256[:16])
    tally = Tally(plan.catalog)
    for index in range(plan.params.count):
        layout = draw_layout(plan, seed=layout_seed(plan.params.seed, index))
        folder.add(layout, painter.paint(layout.label_map, seed=layout.seed))
        tally.add(layout)
        if (index + 1) % LOG_INTERVAL == 0:
            logger.info("painted %d/%d pairs", index + 1, plan.params.count)
            recorder.log(index + 1, tally.shares_by_name())
    folder.finish()
    return tally


def _compose(plan: Plan, out: Path) -> Tally:
    folder = PairFolder(out / COPY_PASTE, plan.catalog, generator="")
    tally = Tally(plan.catalog)
    replaced = 0
    for index in range(plan.params.count):
        layout = draw_layout(plan, seed=layout_seed(plan.params.seed, index))
        if not can_compose(layout.steps):
            layout, replaced = draw_real_layout(plan, seed=layout.seed), replaced + 1
        folder.add(layout, compose(plan.catalog, layout.steps))
        tally.add(layout)
    folder.finish()
    logger.info(
        "copy-paste: %d pairs, %d of them with other layouts than the painted ones, which no real pixels show",
        plan.params.count, replaced,
    )  # fmt: skip
    return tally


def check_classes(painter: LayoutPainter, classes: ClassTable, *, place: Path) -> None:
    """Refuse a painter that was trained on other classes.

    Raises:
        DataError: Names, order or ignored id differ.
    """
    known = painter.class_table
    if (known.class_names, known.ignore_index) != (classes.class_names, classes.ignore_index):
        raise DataError(
            f"{place}: classes are {list(classes.class_names)}, but the generator was trained on "
            f"{list(known.class_names)}. Run the stage train_gan on this data."
        )
