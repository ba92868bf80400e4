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
from ocrnet.data.manifest import ClassTable, count_pixels, file_sha256, write_manifest
from ocrnet.errors import DataError
from ocrnet.gan.selection.choice import Choice, Judged
from ocrnet.gan.selection.rejections import Rejections, class_pixels
from ocrnet.gan.selection.scores import Verdict, rejected_share
from ocrnet.gan.selection.thresholds import LossCounts, Losses, Threshold, cap, reject

MOST_DRAWN = 20  # the hardest pair is drawn so many times as often as one of no hardness


class JudgedPairs:
    """Collects the scores of every pair, and writes the kept ones once they are chosen.

    Args:
        scratch: Folder for the losses of their pixels, which in memory would be ten times the images.
        classes: Names and palette.

    Attributes:
        pairs: Pairs in the order in which they were added.
    """

    def __init__(self, scratch: Path, classes: ClassTable) -> None:
        self.pairs: list[Judged] = []
        self._scratch = scratch
        self._classes = classes

    def add(self, verdict: Verdict) -> None:
        """Take a pair."""
        row = verdict.row
        if verdict.original is None:  # a copy is not looked at again
            np.save(self._scratch / f"{row['id']}.npy", verdict.losses)
        counts = class_pixels(verdict.label_map, self._classes.num_classes)
        share = verdict.share(self._classes.ignore_index)
        self.pairs.append(Judged(row, counts, share, verdict.hardness, verdict.original))

    def cap(
        self, thresholds: list[Threshold], choice: Choice, synthesized: Path
    ) -> list[Threshold]:
        """Return the thresholds under which no class loses more of its pixels than the choice allows."""
        painted = LossCounts(self._classes.num_classes)
        for pair in choice.kept:
            painted.add(self._losses(pair), read_label_map(synthesized / pair.row["label_map"]))
        return cap(thresholds, painted, most=choice.most.tolist())

    def _losses(self, pair: Judged) -> Losses:
        losses: Losses = np.load(self._scratch / f"{pair.row['id']}.npy")
        return losses

    def write(
        self, kept: Sequence[Judged], out: Path, synthesized: Path, thresholds: list[Threshold]
    ) -> Rejections:
        """Write label maps and manifest of the kept pairs into `out`, and return what was rejected.

        Raises:
            DataError: No pair is kept.
        """
        if not kept:
            raise DataError(
                f"{synthesized}: each pair is a copy or lost more pixels than select.max_rejected allows; "
                "none is left. Train the GAN longer (train_gan.steps), or raise select.max_rejected. See rejected.csv."
            )
        shutil.rmtree(out / "label_maps", ignore_errors=True)
        (out / "label_maps").mkdir(parents=True)
        tally, rows = Rejections(self._classes), []
        for pair in kept:
            label_map = read_label_map(synthesized / pair.row["label_map"])
            wrong = reject(
                self._losses(pair), label_map, thresholds, ignore_index=self._classes.ignore_index
            )
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
        pair: Judged,
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
