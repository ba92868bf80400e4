"""Which synthesized pixels and pairs are kept, and how often a pair is drawn.

The baseline, trained on real images alone, scores every pixel of a pair. A pixel that it scores worse than
it scores nearly all held-out real pixels of the class is set to ignore. A pair is dropped whole when it would
lose too much, or when its image is a copy of a training image: the generator remembered it, and training has
it already. What is left is drawn by the rank of its hardness (FreeMask, arXiv:2310.15160): pairs whose label
maps hold hard classes come more often.

Three traps are avoided, see `thresholds`: the limits come from held-out images; the rate of rejection is
reported per class, since a rare class is the first that a filter removes for good; and no class loses more
than a given share of its pixels.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from ocrnet.config import SelectParams
from ocrnet.data.manifest import ClassTable
from ocrnet.gan.kept import KeptPairs
from ocrnet.gan.rejections import Rejections
from ocrnet.gan.thresholds import Threshold, as_json, cap
from ocrnet.gan.verdicts import ImageScorer, Verdict, held_out_thresholds, judge_pairs
from ocrnet.quality.features import FeatureBank
from ocrnet.quality.neighbours import Neighbour, near_copies
from ocrnet.tracking import Recorder

logger = logging.getLogger(__name__)
THRESHOLDS_FILE, REJECTED_FILE = "thresholds.json", "rejected.csv"
REJECTED_COLUMNS = ["id", "rejected_share", "why", "neighbour"]
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
        prepared: folder of the real data.
        synthesized: manifest folder of the pairs.
        params: the section `select`.
        segmenter: trained on real images alone.
        features: for the search for copies; nothing is asked of it where `near_copy` is 0.
        out: folder of the kept pairs.
        recorder: told the rates as they grow.

    Returns:
        select/pairs, kept, dropped, near_copies: counts.
        select/rejected_share, select/rejected/CLASS: of the pixels of the kept pairs, those set to ignore.
        select/rejected_share_uncapped, select/rejected_uncapped/CLASS: of the pixels of all pairs, those above the
            calibrated thresholds.

    Raises:
        DataError: no pair is left, or the validation split is too small for any threshold.
    """
    classes = ClassTable.read(prepared)
    thresholds = held_out_thresholds(
        prepared, segmenter, classes, real_rejection=params.real_rejection
    )
    copies = _copies(prepared, synthesized, params, features)
    before = Rejections(classes)
    dropped: list[dict[str, Any]] = []
    with TemporaryDirectory() as scratch:
        kept = KeptPairs(Path(scratch), classes)
        for verdict in judge_pairs(synthesized, segmenter, thresholds, classes, copies=copies):
            before.add(verdict.label_map, verdict.wrong)
            reasons = verdict.reasons(params, classes.ignore_index)
            if reasons:
                dropped.append(_dropped_row(verdict, reasons, classes))
            else:
                kept.add(verdict)
            if before.pairs % LOG_INTERVAL == 0:
                logger.info("judged %d pairs, dropped %d", before.pairs, len(dropped))
                recorder.log(before.pairs, before.rates(UNCAPPED))
        capped = cap(thresholds, kept.losses, most=params.warn_rejected)
        _write_tables(out, dropped, capped, classes)
        after = kept.write(out, synthesized, capped)
    _warn(before.by_class(), after.by_class(), params.warn_rejected)
    counts = {"pairs": before.pairs, "kept": after.pairs, "dropped": len(dropped)}
    totals = {f"select/{name}": float(n) for name, n in counts.items()}
    totals["select/near_copies"] = float(len(copies))
    return {**totals, **after.rates(), **before.rates(UNCAPPED)}


def _copies(
    prepared: Path, synthesized: Path, params: SelectParams, features: FeatureBank
) -> Mapping[str, Neighbour]:
    if params.near_copy == 0:
        return {}
    fake, train = features.of_folder(synthesized), features.of_folder(prepared, split="train")
    return near_copies(fake, train, quantile=params.near_copy)


def _write_tables(
    out: Path, dropped: list[dict[str, Any]], thresholds: list[Threshold], classes: ClassTable
) -> None:
    table = pd.DataFrame(dropped, columns=REJECTED_COLUMNS)
    table.to_csv(out / REJECTED_FILE, index=False, lineterminator="\n")
    text = json.dumps(as_json(thresholds, classes.class_names), indent=1, allow_nan=False)
    (out / THRESHOLDS_FILE).write_text(text + "\n")


def _dropped_row(verdict: Verdict, reasons: list[str], classes: ClassTable) -> dict[str, Any]:
    return {
        "id": verdict.row["id"],
        "rejected_share": round(verdict.share(classes.ignore_index), 6),
        "why": "; ".join(reasons),
        "neighbour": verdict.neighbour.id if verdict.neighbour else "",
    }


def _warn(before: Mapping[str, float], after: Mapping[str, float], limit: float) -> None:
    for name, rate in before.items():
        if rate > limit:
            logger.warning(
                "class %s: %.0f %% of its synthesized pixels are worse than real ones; of those in kept pairs %.0f %% "
                "are ignored, for select.warn_rejected caps them at %.0f %%. The GAN does not paint it as the baseline "
                "knows it",
                name, 100 * rate, 100 * after.get(name, 0.0), 100 * limit,
            )  # fmt: skip
