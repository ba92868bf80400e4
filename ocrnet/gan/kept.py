"""The pairs that are kept: their rejected pixels set to ignore, and a weight that says how often each is drawn."""

import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import rankdata

from ocrnet.data.decode import read_label_map, write_label_map
from ocrnet.data.manifest import ClassTable, count_pixels, file_sha256, write_manifest
from ocrnet.errors import DataError
from ocrnet.gan.rejections import Rejections
from ocrnet.gan.thresholds import LossCounts, Threshold, reject
from ocrnet.gan.verdicts import Verdict, rejected_share

MOST_DRAWN = 20  # the hardest pair is drawn so many times as often as one of no hardness


class _Pair(NamedTuple):
    row: dict[str, Any]
    hardness: float


class KeptPairs:
    """Takes the pairs that stay, and writes them once the cap of each class is known.

    Args:
        scratch: folder for the losses of their pixels, which in memory would be ten times the images.
        classes: names and palette.

    Attributes:
        losses: of all pixels of the kept pairs.
    """

    def __init__(self, scratch: Path, classes: ClassTable) -> None:
        self.losses = LossCounts(classes.num_classes)
        self._scratch = scratch
        self._classes = classes
        self._pairs: list[_Pair] = []

    def add(self, verdict: Verdict) -> None:
        """Take a pair."""
        self.losses.add(verdict.losses, verdict.label_map)
        np.save(self._scratch / f"{verdict.row['id']}.npy", verdict.losses)
        self._pairs.append(_Pair(verdict.row, verdict.hardness))

    def write(self, out: Path, synthesized: Path, thresholds: list[Threshold]) -> Rejections:
        """Write label maps and manifest into `out`, and return what was rejected.

        Raises:
            DataError: there is no pair.
        """
        if not self._pairs:
            raise DataError(
                f"{synthesized}: each pair is a copy or lost more pixels than select.max_rejected allows; "
                "none is left. Train the GAN longer (train_gan.steps), or raise select.max_rejected. See rejected.csv."
            )
        shutil.rmtree(out / "label_maps", ignore_errors=True)
        (out / "label_maps").mkdir(parents=True)
        tally, rows = Rejections(self._classes), []
        for pair in self._pairs:
            label_map = read_label_map(synthesized / pair.row["label_map"])
            losses = np.load(self._scratch / f"{pair.row['id']}.npy")
            wrong = reject(losses, label_map, thresholds, ignore_index=self._classes.ignore_index)
            tally.add(label_map, wrong)
            rows.append(self._write_pair(out, synthesized, pair, label_map, wrong))
        table = pd.DataFrame(rows)
        table["weight"] = sampling_weights(table["hardness"].to_numpy(dtype=np.float64))
        self._classes.write(out)
        write_manifest(out, table)
        return tally

    def _write_pair(
        self,
        out: Path,
        synthesized: Path,
        pair: _Pair,
        label_map: npt.NDArray[np.uint8],
        wrong: npt.NDArray[np.bool_],
    ) -> dict[str, Any]:
        classes, name = self._classes, f"label_maps/{pair.row['id']}.png"
        ignore_index = classes.ignore_index
        left = np.where(wrong, np.uint8(ignore_index), label_map)
        write_label_map(out / name, left, palette=classes.palette, ignore_index=ignore_index)
        image = os.path.relpath(synthesized / pair.row["image"], out)
        share = rejected_share(wrong, label_map, ignore_index=ignore_index)
        return {
            **pair.row,
            **count_pixels(left, classes.class_names, ignore_index=ignore_index),
            "image": Path(image).as_posix(),
            "label_map": name,
            "label_map_sha256": file_sha256(out / name),
            "rejected_share": round(share, 6),
            "hardness": round(pair.hardness, 6),
        }


def sampling_weights(hardnesses: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return min(1 + 20 r / T, 20) of the hardness rank r among T pairs; equal ones share their mean rank."""
    ranks = rankdata(hardnesses, method="average")
    return np.asarray(np.minimum(1.0 + MOST_DRAWN * ranks / len(ranks), MOST_DRAWN).round(6))
