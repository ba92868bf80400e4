"""The unlabelled images of a prepared set."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ocrnet.data.decode import read_image
from ocrnet.data.unlabelled import FOLDER, has_unlabelled, read_unlabelled_manifest
from ocrnet.errors import DataError


@dataclass(frozen=True)
class UnlabelledImages:
    """The images that a training may see without label maps.

    Args:
        folder: Folder that the paths in the table are relative to.
        table: A row per image.
    """

    folder: Path
    table: pd.DataFrame

    @classmethod
    def read(cls, prepared: Path) -> "UnlabelledImages":
        """Read the manifest of the unlabelled images of a prepared set.

        Raises:
            DataError: The set has none.
        """
        if not has_unlabelled(prepared):
            raise DataError(
                f"{prepared}: the set has no unlabelled image. Put images that are no copies of training images into "
                "data.unlabelled, or remove the arms with unlabelled images from retrain.arms."
            )
        return cls(prepared / FOLDER, read_unlabelled_manifest(prepared))

    def __len__(self) -> int:
        return len(self.table)

    def item(self, index: int) -> tuple[str, npt.NDArray[np.uint8]]:
        """Return the id and the image (H, W, 3) of a row."""
        row = self.table.iloc[index]
        return str(row["id"]), read_image(self.folder / row["image"])
