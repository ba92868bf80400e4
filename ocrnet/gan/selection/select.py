"""The selection of synthesized pixels and pairs, and the sampling weight of each pair.

The baseline, trained on real images alone, scores every pixel of a pair. A pixel with a larger loss than
nearly all held-out real pixels of its class is set to ignore. A pair is dropped if it would lose too many pixels, or if
its image is a copy of a training image: the generator memorised it, and it adds nothing. `pair_choice` readmits pairs
for a class that would be lost. Training draws the kept pairs by the rank of their hardness (FreeMask,
arXiv:2310.15160): pairs with hard classes are drawn more often.

Three faults are avoided, see `pixel_filter`. The thresholds come from held-out images, unless `calibrate_on` is
train. The share of rejected pixels is reported per class, since a filter removes a rare class first. And no class loses
more than a given share of its pixels, including pixels of dropped pairs.
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
from ocrnet.gan.quality.features import FeatureBank
from ocrnet.gan.quality.near_duplicates import Original, near_copies
from ocrnet.gan.selection.best_paintings import keep_best
from ocrnet.gan.selection.kept_pairs import cap_thresholds, write_kept_pairs
from ocrnet.gan.selection.pair_choice import Choice, choose_pairs
from ocrnet.gan.selection.pair_scores import PixelLosses, real_thresholds, score_pairs
from ocrnet.gan.selection.pixel_filter import Threshold, as_json
from ocrnet.gan.selection.rejections import Rejections
from ocrnet.protocols import SegmenterLike
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
    segmenter: SegmenterLike,
    features: FeatureBank | None,
    out: Path,
    recorder: Recorder | None = None,
) -> dict[str, float]:
    """Write the kept pairs of `synthesized` into `out` and return the metrics.

    Pairs that a GAN painted come with `features` and a recorder. Copy-paste and hybrid pairs, which consist of copies,
    come with neither: they are not searched for copies, and no warning asks for more training of the GAN. Of several
    paintings of a layout the best one is a pair, and the others are left aside.

    Args:
        prepared: Folder of the real data.
        synthesized: Manifest folder of the pairs.
        params: Section `select` of the params.
        segmenter: Segmenter that was trained on real images alone.
        features: Feature bank for the search for copies; without one no copy is searched for.
        out: Folder of the kept pairs, which exists.
        recorder: Recorder of the rates while they are counted.

    Returns:
        select/pairs, kept, dropped, near_copies, readmitted: counts.
        select/rejected_share, select/rejected/CLASS: share of the kept pairs' pixels that are set to ignore.
        select/rejected_share_uncapped, select/rejected_uncapped/CLASS: share of all pairs' pixels above the
            calibrated thresholds.
        select/lost/CLASS: share of all pairs' pixels that are not used: ignored, or dropped with their pair.
        The metrics of `keep_best`.
        select/relabelled_share, select/pixel_weight: with `select.relabel` above 0, see `Relabelling.metrics`.

    Raises:
        DataError: No pair is kept, or the split of `calibrate_on` is too small for any threshold.
    """
    classes = ClassTable.read(prepared)
    thresholds = real_thresholds(prepared, segmenter, classes, params)
    copies = _copies(prepared, synthesized, params, features)
    before = Rejections(classes)
    with TemporaryDirectory() as scratch:
        losses = PixelLosses(
            Path(scratch), relabel=params.relabel, ignore_index=classes.ignore_index
        )
        pairs = []
        for pair in score_pairs(
            synthesized, segmenter, thresholds, classes, copies=copies, losses=losses
        ):
            before.add(pair.pixels, pair.rejected)
            pairs.append(pair)
            if before.pairs % LOG_INTERVAL == 0:
                logger.info("scored %d pairs of %s", before.pairs, synthesized)
                if recorder is not None:
                    recorder.log(before.pairs, before.rates(UNCAPPED))
        pairs, before, of_best = keep_best(pairs, before)
        choice = choose_pairs(pairs, params)
        capped = cap_thresholds(thresholds, choice, synthesized, losses)
        _write_tables(out, choice, params, capped, classes)
        after = write_kept_pairs(
            choice.kept, out, synthesized, capped, losses=losses, classes=classes,
            max_object_rejected=params.max_object_rejected,
        )  # fmt: skip
    lost = after.lost(before)
    if features is not None:
        _warn(before.by_class(), lost, params)
    _warn_readmitted(choice, params, classes)
    counts = {
        "pairs": before.pairs, "kept": after.pairs, "dropped": len(choice.dropped),
        "near_copies": sum(pair.original is not None for pair in pairs), "readmitted": choice.readmitted,
    }  # fmt: skip
    totals = {f"select/{name}": float(n) for name, n in counts.items()}
    shares = {f"select/lost/{name}": share for name, share in lost.items()}
    relabelled = {} if losses.relabelling is None else losses.relabelling.metrics()
    return {**totals, **after.rates(), **before.rates(UNCAPPED), **shares, **of_best, **relabelled}


def _copies(
    prepared: Path, synthesized: Path, params: SelectParams, features: FeatureBank | None
) -> Mapping[str, Original]:
    if features is None or params.near_duplicate == 0:
        return {}
    return near_copies(features.originals(synthesized, prepared), least_own=params.near_duplicate)


def _write_tables(
    out: Path,
    choice: Choice,
    params: SelectParams,
    thresholds: list[Threshold],
    classes: ClassTable,
) -> None:
    rows = [
        {
            "id": pair.id,
            "rejected_share": round(pair.rejected_share, 6),
            "why": "; ".join(pair.reasons(params)),
            "original": pair.original.id if pair.original else "",
        }
        for pair in choice.dropped
    ]
    table = pd.DataFrame(rows, columns=REJECTED_COLUMNS)
    write_csv_table(out / REJECTED_FILE, table)
    text = json.dumps(as_json(thresholds, classes.class_names), indent=1, allow_nan=False)
    (out / THRESHOLDS_FILE).write_text(text + "\n")


def _warn(wrong: Mapping[str, float], lost: Mapping[str, float], params: SelectParams) -> None:
    limit = params.warn_rejected
    for name, share in lost.items():
        # The limit holds for pixels by themselves; objects that are rejected whole may go beyond it.
        is_of_objects = share > limit and params.max_object_rejected < 1
        objects = (
            ", or raise select.max_object_rejected, by which whole objects are lost" * is_of_objects
        )
        if wrong[name] > limit:
            logger.warning(
                "class %s: %.0f %% of its synthesized pixels have larger losses than real ones, and %.0f %% are lost; "
                "select.warn_rejected limits that to %.0f %%. The GAN does not generate the class realistically: raise "
                "train_gan.steps%s",
                name, 100 * wrong[name], 100 * share, 100 * limit, objects,
            )  # fmt: skip
        elif share > limit:
            logger.warning(
                "class %s: %.0f %% of its synthesized pixels are lost, more than select.warn_rejected %.0f %%, because "
                "pairs are copies of training images: lower train_gan.steps, or select.near_duplicate%s",
                name, 100 * share, 100 * limit, objects,
            )  # fmt: skip


def _warn_readmitted(choice: Choice, params: SelectParams, classes: ClassTable) -> None:
    if choice.readmitted:
        names = ", ".join(classes.class_names[class_id] for class_id in sorted(choice.saved))
        logger.warning(
            "%d pairs above select.max_rejected %g are kept because they show %s: without them more than "
            "select.warn_rejected %.0f %% of its pixels would be lost",
            choice.readmitted, params.max_rejected, names, 100 * params.warn_rejected,
        )  # fmt: skip
