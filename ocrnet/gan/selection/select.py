"""The selection of synthesized pixels and pairs, and the sampling weight of each pair.

The baseline, trained on real images alone, scores every pixel of a pair. A pixel that it scores worse than
it scores nearly all held-out real pixels of the class is set to ignore. A pair is dropped whole when it would
lose too much, or when its image is a copy of a training image: the generator memorised it, and training has
it already. `choice` readmits pairs for a class that would be lost. The kept pairs are drawn by the rank of their
hardness (FreeMask, arXiv:2310.15160): pairs whose label maps hold hard classes come more often.

Three traps are avoided, see `thresholds`: the limits come from held-out images, unless `calibrate_on` says
otherwise; the rate of rejection is reported per class, since a rare class is the first that a filter removes for
good; and no class loses more than a given share of its pixels, those of dropped pairs among them.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from ocrnet.config import SelectParams
from ocrnet.data.csv_tables import write_csv_table
from ocrnet.data.manifest import ClassTable
from ocrnet.gan.quality.detail import Original, near_copies
from ocrnet.gan.quality.features import FeatureBank
from ocrnet.gan.selection.choice import Choice, choose_pairs
from ocrnet.gan.selection.kept import JudgedPairs
from ocrnet.gan.selection.rejections import Rejections
from ocrnet.gan.selection.scores import ImageScorer, judge_pairs, real_thresholds
from ocrnet.gan.selection.thresholds import Threshold, as_json
from ocrnet.record import Recorder

logger = logging.getLogger(__name__)
THRESHOLDS_FILE, REJECTED_FILE = "thresholds.json", "rejected.csv"
REJECTED_COLUMNS = ["id", "rejected_share", "why", "original"]
UNCAPPED = "_uncapped"
LOG_INTERVAL = 16  # pairs


def select_pairs(
    prepared: Path,
    synthesized: Path,
    params: SelectParams,
    *,
    segmenter: ImageScorer,
    features: FeatureBank,
    out: Path,
    recorder: Recorder,
) -> dict[str, float]:
    """Write the kept pairs of `synthesized` into `out` and return the metrics.

    Args:
        prepared: Folder of the real data.
        synthesized: Manifest folder of the pairs.
        params: Section `select` of the params.
        segmenter: Segmenter that was trained on real images alone.
        features: Feature bank for the search for copies; unused if `near_copy` is 0.
        out: Folder of the kept pairs.
        recorder: Recorder of the rates while they are counted.

    Returns:
        select/pairs, kept, dropped, near_copies, readmitted: counts.
        select/rejected_share, select/rejected/CLASS: of the pixels of the kept pairs, those set to ignore.
        select/rejected_share_uncapped, select/rejected_uncapped/CLASS: of the pixels of all pairs, those above the
            calibrated thresholds.
        select/lost/CLASS: of the pixels of all pairs, those that are not used: ignored, or dropped with their pair.

    Raises:
        DataError: No pair is kept, or the split of `calibrate_on` is too small for any threshold.
    """
    classes = ClassTable.read(prepared)
    thresholds = real_thresholds(prepared, segmenter, classes, params)
    copies = _copies(prepared, synthesized, params, features)
    before = Rejections(classes)
    with TemporaryDirectory() as scratch:
        judged = JudgedPairs(Path(scratch), classes)
        for verdict in judge_pairs(synthesized, segmenter, thresholds, classes, copies=copies):
            before.add(verdict.label_map, verdict.wrong)
            judged.add(verdict)
            if before.pairs % LOG_INTERVAL == 0:
                logger.info("judged %d pairs", before.pairs)
                recorder.log(before.pairs, before.rates(UNCAPPED))
        choice = choose_pairs(judged.pairs, params)
        capped = judged.cap(thresholds, choice, synthesized)
        _write_tables(out, choice, params, capped, classes)
        after = judged.write(choice.kept, out, synthesized, capped)
    lost = after.lost(before)
    _warn(before.by_class(), lost, params.warn_rejected)
    _warn_readmitted(choice, params, classes)
    counts = {
        "pairs": before.pairs, "kept": after.pairs, "dropped": len(choice.dropped),
        "near_copies": len(copies), "readmitted": choice.readmitted,
    }  # fmt: skip
    totals = {f"select/{name}": float(n) for name, n in counts.items()}
    shares = {f"select/lost/{name}": share for name, share in lost.items()}
    return {**totals, **after.rates(), **before.rates(UNCAPPED), **shares}


def _copies(
    prepared: Path, synthesized: Path, params: SelectParams, features: FeatureBank
) -> Mapping[str, Original]:
    if params.near_copy == 0:
        return {}
    return near_copies(features.originals(synthesized, prepared), least_own=params.near_copy)


def _write_tables(
    out: Path,
    choice: Choice,
    params: SelectParams,
    thresholds: list[Threshold],
    classes: ClassTable,
) -> None:
    rows = [
        {
            "id": pair.row["id"],
            "rejected_share": round(pair.wrong_share, 6),
            "why": "; ".join(pair.reasons(params)),
            "original": pair.original.id if pair.original else "",
        }
        for pair in choice.dropped
    ]
    table = pd.DataFrame(rows, columns=REJECTED_COLUMNS)
    write_csv_table(out / REJECTED_FILE, table)
    text = json.dumps(as_json(thresholds, classes.class_names), indent=1, allow_nan=False)
    (out / THRESHOLDS_FILE).write_text(text + "\n")


def _warn(wrong: Mapping[str, float], lost: Mapping[str, float], limit: float) -> None:
    for name, share in lost.items():
        if wrong[name] > limit:
            logger.warning(
                "class %s: %.0f %% of its synthesized pixels are worse than real ones, and %.0f %% are lost, for "
                "select.warn_rejected caps that at %.0f %%. The GAN does not paint it as the baseline knows it: raise "
                "train_gan.steps",
                name, 100 * wrong[name], 100 * share, 100 * limit,
            )  # fmt: skip
        elif share > limit:
            logger.warning(
                "class %s: %.0f %% of its synthesized pixels are lost, more than select.warn_rejected %.0f %%, with "
                "pairs that are copies of training images: lower train_gan.steps, or select.near_copy",
                name, 100 * share, 100 * limit,
            )  # fmt: skip


def _warn_readmitted(choice: Choice, params: SelectParams, classes: ClassTable) -> None:
    if choice.readmitted:
        names = ", ".join(classes.class_names[class_id] for class_id in sorted(choice.saved))
        logger.warning(
            "of the pairs above select.max_rejected %g, %d are kept, the least wrong ones that hold %s: without them "
            "more than select.warn_rejected %.0f %% of its pixels would be lost",
            params.max_rejected, choice.readmitted, names, 100 * params.warn_rejected,
        )  # fmt: skip
