"""Writing of the kept pairs, with rejected pixels ignored and a sampling weight for each."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import rankdata

from ocrnet.data.decode import read_label_map, write_label_map
from ocrnet.data.instance_maps import INSTANCES
from ocrnet.data.manifest import ClassTable, count_pixels, file_sha256, write_manifest
from ocrnet.data.pixel_weights import PIXEL_WEIGHTS, write_pixel_weights
from ocrnet.errors import DataError
from ocrnet.gan.selection.kept_objects import mostly_rejected, pair_objects, write_visible
from ocrnet.gan.selection.pair_choice import Choice
from ocrnet.gan.selection.pair_scores import PixelLosses, ScoredPair, class_pixels
from ocrnet.gan.selection.pixel_filter import LossCounts, Threshold, cap, reject
from ocrnet.gan.selection.rejections import Rejections

MOST_DRAWN = 20  # largest sampling weight; the smallest is about 1


def cap_thresholds(
    thresholds: list[Threshold], choice: Choice, synthesized: Path, losses: PixelLosses
) -> list[Threshold]:
    """Return thresholds with which no class loses a larger share of its pixels than the choice allows."""
    generated = LossCounts(len(thresholds))
    for pair in choice.kept:
        generated.add(losses.load(pair), read_label_map(synthesized / pair.row["label_map"]))
    return cap(thresholds, generated, most=choice.most.tolist())


def write_kept_pairs(
    kept: Sequence[ScoredPair],
    out: Path,
    synthesized: Path,
    thresholds: list[Threshold],
    *,
    losses: PixelLosses,
    classes: ClassTable,
    max_object_rejected: float = 1.0,
) -> Rejections:
    """Write label maps and manifest of the kept pairs into `out`, and return the counts of rejected pixels.

    Args:
        kept: Pairs.
        out: Folder of the kept pairs.
        synthesized: Manifest folder of the pairs.
        thresholds: Threshold of each class.
        losses: Losses of the pixels.
        classes: Class table.
        max_object_rejected: An object that loses a larger share of its pixels is rejected whole.

    Raises:
        DataError: No pair is kept.
    """
    if not kept:
        raise DataError(
            f"{synthesized}: no pair is kept: each is a copy or loses more pixels than select.max_rejected allows "
            "(see rejected.csv). Train the GAN longer (train_gan.steps), or raise select.max_rejected."
        )
    for folder in ("label_maps", INSTANCES, PIXEL_WEIGHTS):
        shutil.rmtree(out / folder, ignore_errors=True)
    (out / "label_maps").mkdir(parents=True)
    counts, rows = Rejections(classes), []
    for pair in kept:
        label_map = read_label_map(synthesized / pair.row["label_map"])
        ignore_index = classes.ignore_index
        found = losses.load(pair)
        wrong = reject(found, label_map, thresholds, ignore_index=ignore_index)
        numbers = pair_objects(synthesized, pair.row)
        if numbers is not None:
            wrong |= mostly_rejected(numbers, wrong, most=max_object_rejected)
        left, weights = np.where(wrong, np.uint8(ignore_index), label_map), None
        if losses.relabelling is not None:
            left, weights = losses.relabelling.labels(pair.id, label_map, found, wrong=wrong)
        rejected = class_pixels(label_map[left == ignore_index], classes.num_classes)
        counts.add(pair.pixels, rejected)
        share = float(rejected.sum() / max(int(pair.pixels.sum()), 1))
        # An ignored pixel belongs to no object, as in a prepared set; nor does one whose label was changed.
        gone = (left == ignore_index) | (left != label_map)
        row = _write_pair(out, synthesized, pair, left, numbers, gone, classes)
        if weights is not None:
            row[PIXEL_WEIGHTS] = f"{PIXEL_WEIGHTS}/{pair.id}.png"
            (out / PIXEL_WEIGHTS).mkdir(exist_ok=True)
            write_pixel_weights(out / row[PIXEL_WEIGHTS], weights)
        rows.append({**row, "rejected_share": round(share, 6), "hardness": round(pair.hardness, 6)})
    table = pd.DataFrame(rows)
    table["weight"] = sampling_weights(table["hardness"].to_numpy(dtype=np.float64))
    classes.write(out)
    write_manifest(out, table)
    return counts


def _write_pair(
    out: Path,
    synthesized: Path,
    pair: ScoredPair,
    left: npt.NDArray[np.uint8],
    numbers: npt.NDArray[np.uint16] | None,
    gone: npt.NDArray[np.bool_],
    classes: ClassTable,
) -> dict[str, Any]:
    """Write the label map of a pair and its instance map if it has one, and return its row of the manifest.

    Args:
        out: Folder of the kept pairs.
        synthesized: Manifest folder of the pairs.
        pair: Pair.
        left: Label map of the pair.
        numbers: Instance map of the layout; None without one.
        gone: Pixels that belong to no object any more.
        classes: Class table.
    """
    name, ignore_index = f"label_maps/{pair.id}.png", classes.ignore_index
    write_label_map(out / name, left, palette=classes.palette, ignore_index=ignore_index)
    image = os.path.relpath(synthesized / pair.row["image"], out)
    return {
        **pair.row,
        **count_pixels(left, classes.class_names, ignore_index=ignore_index),
        "image": Path(image).as_posix(),
        "label_map": name,
        "label_map_sha256": file_sha256(out / name),
        **({} if numbers is None else write_visible(out, pair.id, numbers, gone)),
    }


def sampling_weights(hardnesses: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return min(1 + 20 r / T, 20) for the hardness rank r among T pairs; ties get their mean rank."""
    ranks = rankdata(hardnesses, method="average")
    return np.asarray(np.minimum(1.0 + MOST_DRAWN * ranks / len(ranks), MOST_DRAWN).round(6))
