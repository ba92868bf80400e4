"""Which synthesized pixels and pairs are kept, and how often a pair is drawn.

The baseline, trained on real images alone, scores every pixel of a pair. A pixel that it scores worse than
it scores nearly all held-out real pixels of the class is set to ignore; a pair that loses too much is
dropped. What is left is drawn by the rank of its hardness (FreeMask, arXiv:2310.15160): pairs whose label
maps hold hard classes come more often.

Two traps are avoided, see `thresholds`: the limits come from held-out images, and the rate of rejection is
reported per class, since a rare class is the first that a filter removes for good.
"""

import json
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd
from jaxtyping import Float, UInt8
from scipy.stats import rankdata

from ocrnet.config import SelectParams
from ocrnet.data.decode import read_image, read_label_map, write_label_map
from ocrnet.data.manifest import (
    ClassTable,
    count_pixels,
    file_sha256,
    read_manifest,
    write_manifest,
)
from ocrnet.errors import DataError
from ocrnet.gan.thresholds import LossCounts, Threshold, as_json, hardness, pixel_losses, reject
from ocrnet.tracking import Recorder

logger = logging.getLogger(__name__)
MOST_DRAWN = 20  # the hardest pair is drawn so many times as often as one of no hardness
THRESHOLDS_FILE, REJECTED_FILE = "thresholds.json", "rejected.csv"
LOG_INTERVAL = 16  # pairs


@runtime_checkable
class ImageScorer(Protocol):
    """What scores an image: a trained segmenter."""

    def probabilities(self, image: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, "K H W"]:
        """Return the probability of each class at each pixel."""


@dataclass(frozen=True)
class Verdict:
    """What selection says about one pair.

    Args:
        row: of the pair's manifest.
        label_map: with the rejected pixels set to ignore.
        rejected: pixels rejected, per class.
        share: of the valid pixels rejected.
        hardness: of the label map before the rejection.
    """

    row: dict[str, Any]
    label_map: npt.NDArray[np.uint8]
    rejected: npt.NDArray[np.int64]
    share: float
    hardness: float


def select_pairs(
    prepared: Path,
    synthesized: Path,
    params: SelectParams,
    *,
    segmenter: ImageScorer,
    out: Path,
    recorder: Recorder,
) -> dict[str, float]:
    """Write the kept pairs of `synthesized` into `out` and return the metrics.

    Raises:
        DataError: no pair is left, or the validation split is too small for any threshold.
    """
    classes = ClassTable.read(prepared)
    thresholds = held_out_thresholds(
        prepared, segmenter, classes, real_rejection=params.real_rejection
    )
    _write_json(out / THRESHOLDS_FILE, as_json(thresholds, classes.class_names))
    shutil.rmtree(out / "label_maps", ignore_errors=True)
    (out / "label_maps").mkdir(parents=True)
    tally = Tally(classes)
    kept: list[dict[str, Any]] = []
    dropped: list[dict[str, Any]] = []
    for verdict in judge_pairs(synthesized, segmenter, thresholds, classes):
        tally.add(verdict)
        if verdict.share > params.max_rejected:
            dropped.append(_dropped_row(verdict, params.max_rejected))
        else:
            kept.append(_write_kept(out, synthesized, verdict, classes))
        if tally.pairs % LOG_INTERVAL == 0:
            logger.info("judged %d pairs, dropped %d", tally.pairs, len(dropped))
            recorder.log(tally.pairs, tally.rates())
    columns = ["id", "rejected_share", "why"]
    table = pd.DataFrame(dropped, columns=columns)
    table.to_csv(out / REJECTED_FILE, index=False, lineterminator="\n")
    _write_selected(out, synthesized, kept, classes)
    _warn(tally.rates(), params.warn_rejected)
    counts = {"pairs": tally.pairs, "kept": len(kept), "dropped": len(dropped)}
    return {**{f"select/{name}": float(n) for name, n in counts.items()}, **tally.rates()}


class Tally:
    """Counts what was rejected.

    Attributes:
        pairs: judged so far.
    """

    def __init__(self, classes: ClassTable) -> None:
        self.pairs = 0
        self._names = classes.class_names
        self._rejected = np.zeros(classes.num_classes, dtype=np.int64)
        self._valid = np.zeros(classes.num_classes, dtype=np.int64)

    def add(self, verdict: Verdict) -> None:
        """Count one pair."""
        self.pairs += 1
        self._rejected += verdict.rejected
        self._valid += [int(verdict.row[f"px_{name}"]) for name in self._names]

    def rates(self) -> dict[str, float]:
        """Return the share of pixels rejected, over all and per class that has pixels."""
        share = float(self._rejected.sum() / max(int(self._valid.sum()), 1))
        rates = {"select/rejected_share": share}
        for name, lost, count in zip(self._names, self._rejected, self._valid, strict=True):
            if count:
                rates[f"select/rejected/{name}"] = float(lost / count)
        return rates


def held_out_thresholds(
    prepared: Path, segmenter: ImageScorer, classes: ClassTable, *, real_rejection: float
) -> list[Threshold]:
    """Measure the thresholds on the validation split."""
    counts = LossCounts(classes.num_classes)
    for _, row in read_manifest(prepared, split="val").iterrows():
        label_map = read_label_map(prepared / row["label_map"])
        probabilities = segmenter.probabilities(read_image(prepared / row["image"]))
        losses = pixel_losses(probabilities, label_map, ignore_index=classes.ignore_index)
        counts.add(losses, label_map)
    return counts.thresholds(real_rejection)


def judge_pairs(
    synthesized: Path, segmenter: ImageScorer, thresholds: list[Threshold], classes: ClassTable
) -> Iterator[Verdict]:
    """Yield the verdict on each pair, by id."""
    ignore_index = classes.ignore_index
    for _, row in read_manifest(synthesized).iterrows():
        label_map = read_label_map(synthesized / row["label_map"])
        probabilities = segmenter.probabilities(read_image(synthesized / row["image"]))
        losses = pixel_losses(probabilities, label_map, ignore_index=ignore_index)
        wrong = reject(losses, label_map, thresholds, ignore_index=ignore_index)
        counts = np.bincount(label_map[wrong], minlength=256)[: classes.num_classes]
        yield Verdict(
            row={str(name): value for name, value in row.items()},
            label_map=np.where(wrong, np.uint8(ignore_index), label_map),
            rejected=counts.astype(np.int64),
            share=float(wrong.sum() / max(int((label_map != ignore_index).sum()), 1)),
            hardness=hardness(label_map, thresholds),
        )


def sampling_weights(hardnesses: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return min(1 + 20 r / T, 20) of the hardness rank r among T pairs; equal ones share their mean rank."""
    ranks = rankdata(hardnesses, method="average")
    return np.asarray(np.minimum(1.0 + MOST_DRAWN * ranks / len(ranks), MOST_DRAWN).round(6))


def _write_kept(
    out: Path, synthesized: Path, verdict: Verdict, classes: ClassTable
) -> dict[str, Any]:
    name = f"label_maps/{verdict.row['id']}.png"
    write_label_map(
        out / name, verdict.label_map, palette=classes.palette, ignore_index=classes.ignore_index
    )
    counts = count_pixels(verdict.label_map, classes.class_names, ignore_index=classes.ignore_index)
    image = os.path.relpath(synthesized / verdict.row["image"], out)
    return {
        **verdict.row,
        **counts,
        "image": Path(image).as_posix(),
        "label_map": name,
        "label_map_sha256": file_sha256(out / name),
        "rejected_share": round(verdict.share, 6),
        "hardness": round(verdict.hardness, 6),
    }


def _write_selected(
    out: Path, synthesized: Path, kept: list[dict[str, Any]], classes: ClassTable
) -> None:
    if not kept:
        raise DataError(
            f"{synthesized}: every pair lost more pixels than select.max_rejected allows; none is left. "
            "Train the GAN longer (train_gan.steps), or raise select.max_rejected."
        )
    table = pd.DataFrame(kept)
    table["weight"] = sampling_weights(table["hardness"].to_numpy(dtype=np.float64))
    classes.write(out)
    write_manifest(out, table)


def _dropped_row(verdict: Verdict, limit: float) -> dict[str, Any]:
    why = f"{verdict.share:.3f} of the pixels rejected, select.max_rejected is {limit}"
    return {"id": verdict.row["id"], "rejected_share": round(verdict.share, 6), "why": why}


def _warn(rates: dict[str, float], limit: float) -> None:
    for name, rate in rates.items():
        if name.startswith("select/rejected/") and rate > limit:
            logger.warning(
                "class %s: %.0f %% of its synthesized pixels were rejected (select.warn_rejected is %s); "
                "the GAN does not paint it as the baseline knows it",
                name.removeprefix("select/rejected/"), 100 * rate, limit,
            )  # fmt: skip


def _write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n")
