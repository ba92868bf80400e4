"""The report: one self-contained HTML file that needs no network, script or server.

It depends only on the files that the stages wrote, and has no times, host names or absolute paths.
"""

import logging
from pathlib import Path

from ocrnet.data.manifest import ClassTable
from ocrnet.report import (
    arms,
    gallery,
    generated,
    hybrid,
    network,
    objects,
    provenance,
    pseudo_labels,
    scores,
)
from ocrnet.report.curve import read_curve
from ocrnet.report.files import required
from ocrnet.report.folds import fold_section
from ocrnet.report.pages import fill_page
from ocrnet.report.pictures import ERROR_COLOURS
from ocrnet.report.values import css_colour

logger = logging.getLogger(__name__)
REPORT_FILE = "report.html"
TEMPLATE = Path(__file__).with_name("report.html.j2")
HEAVY_MIB = 10


def write_report(data: Path) -> Path:
    """Write `report.html` into `data/evaluate` from the stages' files, and return its path.

    Args:
        data: Folder of the stages' outputs, including the scores of `evaluate`.

    Raises:
        DataError: A file that the report shows is missing.
    """
    path = data / "evaluate" / REPORT_FILE
    html = render_report(data)
    path.write_text(html, encoding="utf-8")
    if len(html) > HEAVY_MIB * 2**20:
        logger.warning(
            "%s: found %d MiB, which is much for a page. Lower evaluate.worst.",
            path,
            len(html) // 2**20,
        )
    return path


def render_report(data: Path) -> str:
    """Return the page as text; see `write_report`."""
    found = scores.read_scores(data)
    classes = ClassTable.read(required(data / "prepare"))
    answer, _, reasons = (
        required(data / "evaluate" / "verdict.txt").read_text().strip().partition("\n")
    )
    params = provenance.param_rows(data, found)
    return fill_page(
        TEMPLATE,
        title=f"Segmentation of {', '.join(classes.class_names)}",
        verdict=reasons,
        headline=arms.headline(found, answer),
        metric=arms.metric_word(found),
        scores=found,
        interval_words=arms.interval_words(found),
        class_rows=scores.class_rows(found, classes),
        precision_rows=scores.precision_rows(found, classes),
        model_rows=scores.model_rows(found),
        network=network.network_words(data, found),
        folds=fold_section(found, classes),
        seeds=arms.seeds_of(found),
        arm_rows=arms.arm_rows(found, dict(params)),
        class_arm_rows=arms.class_arm_rows(found, classes),
        curve=read_curve(data),
        confusions=scores.confusion_tables(found),
        reliability=scores.reliability_chart(found),
        curves=scores.training_charts(found, data),
        legend=[
            (name, css_colour(colour))
            for name, colour in zip(classes.class_names, classes.palette, strict=True)
        ],
        error_legend=[(name, css_colour(colour)) for name, colour in ERROR_COLOURS.items()],
        images=gallery.shown_images(data, found["shown"], classes),
        objects=objects.object_section(data, found, classes),
        gan=gallery.gan_pairs(data, classes),
        hybrid=hybrid.hybrid_pairs(data, classes),
        pseudo_labels=pseudo_labels.pseudo_label_sets(data, arms.seeds_of(found), classes),
        layouts=generated.layout_rows(data, classes),
        operations=generated.operation_words(data),
        quality=generated.quality_table(data),
        neighbours=generated.neighbours(data),
        data=provenance.data_tables(data, classes),
        params=params,
        hashes=provenance.hash_rows(data, found),
    )
