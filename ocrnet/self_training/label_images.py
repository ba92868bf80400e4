"""Labelling of the unlabelled images of a prepared set by a trained segmenter, before the training that uses them."""

import logging
from pathlib import Path

import numpy as np

from ocrnet.config import PseudoLabelParams
from ocrnet.data.decode import read_image, read_label_map
from ocrnet.data.manifest import ClassTable, read_manifest
from ocrnet.data.pseudo_shares import PAIRS, write_shares
from ocrnet.data.unlabelled import FOLDER, read_unlabelled_manifest
from ocrnet.errors import DataError
from ocrnet.protocols import SegmenterLike
from ocrnet.record import Recorder
from ocrnet.self_training.kept_shares import KeptPixels, as_metrics
from ocrnet.self_training.pairs import PairFolder
from ocrnet.self_training.sheet import Sheet
from ocrnet.self_training.thresholds import ClassRule, ConfidenceCounts, pseudo_label_map

logger = logging.getLogger(__name__)
LOG_INTERVAL = 16  # images


def label_images(
    prepared: Path,
    params: PseudoLabelParams,
    *,
    segmenter: SegmenterLike,
    out: Path,
    recorder: Recorder,
) -> None:
    """Write the pairs, the table of the classes, the sheet and the metrics.

    Args:
        prepared: Folder of the prepared set, which has unlabelled images.
        params: Section `pseudo_label` of the params.
        segmenter: Segmenter, or an ensemble, that was trained on labelled images alone.
        out: Folder of the stage.
        recorder: Recorder of the metrics.

    Raises:
        DataError: No pixel is sure enough.
    """
    classes = ClassTable.read(prepared)
    rules = measure_rules(prepared, params, segmenter, classes)
    weighs = params.weigh == "precision"
    pairs = PairFolder(out / PAIRS, prepared / FOLDER, classes, weighs=weighs)
    found, lost = _label_all(prepared, segmenter, rules, pairs=pairs, classes=classes, out=out)
    if not len(pairs):
        raise DataError(
            f"{prepared / FOLDER}: no pixel of any image is sure enough. Lower pseudo_label.precision, raise "
            "pseudo_label.class_share, or train the baseline longer (train.steps)."
        )
    pairs.finish()
    for name in lost:
        logger.warning(
            "class %s: it is predicted on unlabelled images, but no pixel is sure enough to be kept: raise "
            "pseudo_label.class_share %g, or train the baseline longer",
            name, params.class_share,
        )  # fmt: skip
    recorder.finish({"pseudo_label/pairs": len(pairs), **found})


def _label_all(
    prepared: Path,
    segmenter: SegmenterLike,
    rules: list[ClassRule],
    *,
    pairs: PairFolder,
    classes: ClassTable,
    out: Path,
) -> tuple[dict[str, float | int], list[str]]:
    """Write label maps, table and sheet; return the metrics and the classes that are predicted, but never kept."""
    table = read_unlabelled_manifest(prepared)
    shares, sheet = KeptPixels(classes), Sheet(classes, len(table))
    for index, row in enumerate(table.to_dict("records")):
        image = read_image(prepared / FOLDER / row["image"])
        probabilities = segmenter.probabilities(image)
        kept, weights = pseudo_label_map(probabilities, rules, ignore_index=classes.ignore_index)
        predicted = probabilities.argmax(axis=0).astype(np.uint8)
        shares.add(predicted, kept)
        sheet.offer(index, image, predicted, kept, weights)
        if (kept != classes.ignore_index).any():
            pairs.add({str(name): value for name, value in row.items()}, kept, weights)
        if (index + 1) % LOG_INTERVAL == 0:
            logger.info("labelled %d of %d images", index + 1, len(table))
    found = shares.table(rules)
    write_shares(out, found)
    sheet.write(out)
    return {"pseudo_label/images": len(table), **as_metrics(found)}, shares.lost()


def measure_rules(
    prepared: Path, params: PseudoLabelParams, segmenter: SegmenterLike, classes: ClassTable
) -> list[ClassRule]:
    """Return the rule of each class, measured on the validation images."""
    counts = ConfidenceCounts(classes.num_classes, ignore_index=classes.ignore_index)
    for _, row in read_manifest(prepared, split="val").iterrows():
        image = read_image(prepared / row["image"])
        counts.add(segmenter.probabilities(image), read_label_map(prepared / row["label_map"]))
    return counts.rules(precision=params.precision, class_share=params.class_share)
