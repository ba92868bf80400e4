"""Pairs of unlabelled images with their pseudo-labels: a manifest folder like that of other extra data.

The images stay where `prepare` wrote them. A pair has a label map and, if its pixels have weights, a map of
them. Without pairs there is a manifest without rows, which is always the same: DVC needs a folder that a later stage
depends on.
"""

import os
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
from jaxtyping import UInt8
from numpy import ndarray

from ocrnet.data.csv_tables import write_csv_table
from ocrnet.data.decode import write_label_map
from ocrnet.data.manifest import (
    COLUMNS,
    MANIFEST_FILE,
    ClassTable,
    count_pixels,
    file_sha256,
    write_manifest,
)
from ocrnet.data.pixel_weights import PIXEL_WEIGHTS, write_pixel_weights

ORIGIN = "pseudo"


class PairFolder:
    """A folder of pairs that is being written.

    Args:
        folder: Path of the folder; what it had is deleted.
        images: Folder that the unlabelled images are named in.
        classes: Classes of the label maps.
        weighs: Whether pixels have weights.
    """

    def __init__(self, folder: Path, images: Path, classes: ClassTable, *, weighs: bool) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        for name in ("label_maps", *([PIXEL_WEIGHTS] if weighs else [])):
            (folder / name).mkdir(parents=True)
        self._folder, self._images = folder, images
        self._classes, self._weighs = classes, weighs
        self._rows: list[dict[str, Any]] = []

    def add(
        self,
        row: dict[str, Any],
        label_map: UInt8[ndarray, "H W"],
        weights: UInt8[ndarray, "H W"],
    ) -> None:
        """Write one pair.

        Args:
            row: Row of the image in the manifest of unlabelled images.
            label_map: Pseudo-labels.
            weights: Weight of each pixel; not written if pixels have none.
        """
        classes = self._classes
        name = f"label_maps/{row['id']}.png"
        path = self._folder / name
        write_label_map(path, label_map, palette=classes.palette, ignore_index=classes.ignore_index)
        image = os.path.relpath(self._images / row["image"], self._folder)
        pair = {
            "id": row["id"], "split": "train", "group": row["group"], "image": Path(image).as_posix(),
            "label_map": name, "height": row["height"], "width": row["width"], "origin": ORIGIN,
            "image_sha256": row["image_sha256"], "label_map_sha256": file_sha256(path),
            "raw_image": "", "raw_label_map": "",
            **count_pixels(label_map, classes.class_names, ignore_index=classes.ignore_index),
        }  # fmt: skip
        if self._weighs:
            pair[PIXEL_WEIGHTS] = f"{PIXEL_WEIGHTS}/{row['id']}.png"
            write_pixel_weights(self._folder / pair[PIXEL_WEIGHTS], weights)
        self._rows.append(pair)

    def __len__(self) -> int:
        return len(self._rows)

    def finish(self) -> None:
        """Write class table and manifest."""
        self._classes.write(self._folder)
        write_manifest(self._folder, pd.DataFrame(self._rows))


def write_no_pairs(folder: Path) -> None:
    """Write a manifest without rows, the same for all sets and params."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_csv_table(folder / MANIFEST_FILE, pd.DataFrame(columns=list(COLUMNS)))
