"""The images to score: one split of the prepared data."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import UInt8

from ocrnet.data.decode import read_image, read_label_map
from ocrnet.data.instance_maps import read_instances, read_things, thing_ids
from ocrnet.data.manifest import ClassTable, pixel_columns, read_manifest
from ocrnet.errors import DataError
from ocrnet.objects.object_map import ObjectMap, instances


@dataclass(frozen=True)
class TestSplit:
    """The images to score, and the share of each class in the training split.

    Args:
        folder: Folder of the manifest.
        table: Rows of the split in the manifest.
        classes: Classes of the set.
        train_shares: Share of each class in the labelled pixels of the training split.
        things: Names of the thing classes, whose objects are scored.
    """

    __test__ = False  # pytest must not collect it as a test case

    folder: Path
    table: pd.DataFrame
    classes: ClassTable
    train_shares: tuple[float, ...]
    things: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.table)

    @property
    def ids(self) -> list[str]:
        """The ids of the images, in the order of all per-image arrays."""
        return [str(name) for name in self.table["id"]]

    @property
    def groups(self) -> list[str]:
        """The group of each image."""
        return [str(name) for name in self.table["group"]]

    @property
    def sha256(self) -> str:
        """A hash of everything that a score on this split depends on; it is independent of other splits and colours."""
        columns = ["id", "group", "image_sha256", "label_map_sha256"]
        content = {
            "images": [[str(row[name]) for name in columns] for _, row in self.table.iterrows()],
            "class_names": self.classes.class_names,
            "ignore_index": self.classes.ignore_index,
        }
        if self.things:
            content |= {"things": self.things, "instances": list(self.table["instances_sha256"])}
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def images(
        self, rows: Iterable[int] | None = None
    ) -> Iterator[tuple[UInt8[np.ndarray, "H W 3"], UInt8[np.ndarray, "H W"]]]:
        """Yield image and label map of each row, or of some rows."""
        for index in range(len(self)) if rows is None else rows:
            row = self.table.iloc[index]
            yield (
                read_image(self.folder / row["image"]),
                read_label_map(self.folder / row["label_map"]),
            )

    @property
    def thing_ids(self) -> tuple[int, ...]:
        """The ids of the thing classes."""
        return thing_ids(self.classes, self.things)

    def true_objects(self, index: int, truth: UInt8[np.ndarray, "H W"]) -> ObjectMap:
        """Return the true objects of a row; `truth` is its label map."""
        numbers = read_instances(self.folder / self.table["instances"].iloc[index])
        return instances(numbers, truth, self.thing_ids)


def read_test_split(folder: Path, *, split: str = "test") -> TestSplit:
    """Read the test split of the prepared data, or another split.

    Raises:
        DataError: The split has no image, or no pixel that is not ignored.
    """
    whole = read_manifest(folder)
    classes = ClassTable.read(folder)
    table = whole[whole["split"] == split].reset_index(drop=True)
    if table.empty:
        raise DataError(
            f"{folder}: the {split} split has no image. Raise prepare.val_share or prepare.test_share."
        )
    columns = pixel_columns(classes.class_names)
    if not table[columns].to_numpy().any():
        raise DataError(
            f"{folder}: every pixel of the {split} split is ignored. Check data.label_map."
        )
    train = whole[whole["split"] == "train"]
    pixels = train[columns].sum().to_numpy(dtype=np.float64)
    shares = tuple(float(share) for share in pixels / max(pixels.sum(), 1.0))
    return TestSplit(folder, table, classes, shares, read_things(folder))
