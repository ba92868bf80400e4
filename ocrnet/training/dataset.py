"""The images of one split of a manifest, with their label maps."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ocrnet.data.decode import read_image, read_label_map
from ocrnet.data.instance_maps import INSTANCES, read_instances
from ocrnet.data.manifest import pixel_columns, read_manifest
from ocrnet.data.pixel_weights import PIXEL_WEIGHTS, read_pixel_weights
from ocrnet.errors import DataError


class Item(NamedTuple):
    """A decoded image with its label map."""

    id: str
    image: npt.NDArray[np.uint8]
    label_map: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ImageFolder:
    """The rows of one split of a manifest folder.

    Args:
        folder: Folder that the paths in the table are relative to.
        table: Rows of the split.
    """

    folder: Path
    table: pd.DataFrame

    @classmethod
    def read(cls, folder: Path, *, split: str) -> "ImageFolder":
        """Read one split.

        Raises:
            DataError: The manifest is missing or wrong, or the split is empty.
        """
        table = read_manifest(folder, split=split)
        if table.empty:
            raise DataError(
                f"{folder}: the manifest has no {split} image. Add at least one to the split."
            )
        return cls(folder, table)

    def __len__(self) -> int:
        return len(self.table)

    def item(self, index: int) -> Item:
        """Decode the item of a row."""
        row = self.table.iloc[index]
        image = read_image(self.folder / row["image"])
        return Item(row["id"], image, read_label_map(self.folder / row["label_map"]))

    def numbers(self, index: int) -> npt.NDArray[np.uint16] | None:
        """Read the instance map of a row; None if its objects are not known, as in a generated pair."""
        row = self.table.iloc[index]
        if INSTANCES not in row or not row[INSTANCES]:
            return None
        return read_instances(self.folder / row[INSTANCES])

    @property
    def weighs_pixels(self) -> bool:
        """Whether each row has a map of the weights of its pixels."""
        return PIXEL_WEIGHTS in self.table

    def pixel_weights(self, index: int) -> npt.NDArray[np.uint16]:
        """Read the weights of the pixels of a row, from 0 for none to `FULL_WEIGHT`."""
        row = self.table.iloc[index]
        return read_pixel_weights(self.folder / row[PIXEL_WEIGHTS]).astype(np.uint16)

    def weights(self) -> npt.NDArray[np.float64]:
        """Return the sampling probability of each row; they sum to 1."""
        if "weight" not in self.table.columns:
            return np.full(len(self), 1 / len(self))
        weights = self.table["weight"].to_numpy(dtype=np.float64)
        return np.asarray(weights / weights.sum())

    def pixel_counts(self, class_names: tuple[str, ...]) -> npt.NDArray[np.int64]:
        """Return the number of pixels per image and class, as [images, classes]."""
        return self.table[pixel_columns(class_names)].to_numpy(dtype=np.int64)
