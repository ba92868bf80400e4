"""The manifest: one table of images and label maps, and the class table beside it.

Paths in it are relative to its folder. `data/prepare` is a manifest folder, and so are the folders of synthesized and
selected pairs, whose manifest also has the lineage.

| column | what |
|---|---|
| id | unique; also the stem of the canonical files |
| split | train, val or test |
| group | images of one group share a split |
| image, label_map | canonical PNG files, relative to the folder |
| height, width | pixels |
| origin | real, gan, copy_paste or pseudo; only real items may be in val or test |
| image_sha256, label_map_sha256 | hashes of the canonical files |
| raw_image, raw_label_map | their raw files, relative to the raw folder; empty if origin is not real |
| px_ignore, px_NAME per class | pixels in the label map |
| instances, instances_sha256 | instance map and its hash; only in prepared sets with thing classes |
| pixel_weights | map of the weights of the pixels; only in pairs with pseudo-labels |
| parents, operations, seed, generator | lineage of a synthesized pair: ids and steps as JSON lists, seed, weights |
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import AfterValidator, Field, TypeAdapter

from ocrnet.config.untrusted_json import STRICT, check_card, read_json
from ocrnet.data.csv_tables import read_csv_table, write_csv_table
from ocrnet.errors import BundleError, DataError

SPLITS = ("train", "val", "test")
COLUMNS = (
    "id", "split", "group", "image", "label_map", "height", "width", "origin",
    "image_sha256", "label_map_sha256", "raw_image", "raw_label_map", "px_ignore",
)  # fmt: skip
TEXT_COLUMNS = (
    "id", "split", "group", "image", "label_map", "origin", "image_sha256", "label_map_sha256", "raw_image",
    "raw_label_map", "instances", "instances_sha256", "parents", "operations", "generator", "pixel_weights",
)  # fmt: skip
LINEAGE_COLUMNS = ("parents", "operations", "seed", "generator")
MANIFEST_FILE = "manifest.csv"
CLASSES_FILE = "classes.json"


Channel = Annotated[int, Field(ge=0, le=255)]


@dataclass(frozen=True)
class ClassTable:
    """Names, colours and the ignored id, in the order of class ids."""

    __pydantic_config__ = STRICT

    class_names: Annotated[tuple[str, ...], Field(min_length=1, max_length=255)]
    palette: tuple[tuple[Channel, Channel, Channel], ...]
    ignore_index: Channel = 255

    @property
    def num_classes(self) -> int:
        """The number of classes, without the ignored id."""
        return len(self.class_names)

    def require_same_names(self, table: "ClassTable", *, place: str, other: str, cure: str) -> None:
        """Refuse a table with other class names, or another order of names.

        Args:
            table: Table to compare this one with.
            place: Owner of this table, for the message.
            other: Owner of the other table, for the message.
            cure: Sentence with the cure, for the message.

        Raises:
            DataError: The names or their order differ.
        """
        if self.class_names != table.class_names:
            raise DataError(
                f"{place} has the classes {list(self.class_names)}, but {other} has {list(table.class_names)}. {cure}"
            )

    def require_same(self, table: "ClassTable", *, place: str, other: str, cure: str) -> None:
        """Refuse a table whose class ids have other meanings; see `require_same_names` for the arguments.

        Raises:
            DataError: The names, their order or the ignored id differ.
        """
        self.require_same_names(table, place=place, other=other, cure=cure)
        if self.ignore_index != table.ignore_index:
            raise DataError(
                f"{place} ignores the id {self.ignore_index}, but {other} ignores {table.ignore_index}. {cure}"
            )

    def write(self, folder: Path) -> None:
        """Write the table into `folder`."""
        (folder / CLASSES_FILE).write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, folder: Path) -> "ClassTable":
        """Read the table from `folder`.

        Raises:
            DataError: The file is missing or is no class table.
        """
        path, cure = folder / CLASSES_FILE, "Run the stage that writes it again."
        try:
            table: ClassTable = check_card(
                CLASS_TABLE, read_json(path, cure=cure)[0], path, cure=cure
            )
        except BundleError as error:
            raise DataError(str(error)) from error
        return table


def check_classes(table: ClassTable) -> ClassTable:
    """Return a table if its names, colours and ignored id are consistent.

    Raises:
        ValueError: They are not consistent.
    """
    names = table.class_names
    strange = [name for name in names if not name.strip() or not name.isprintable()]
    if strange:
        raise ValueError(f"{strange[0]!r} is no class name")
    if len(set(names)) != len(names):
        raise ValueError("a class name is a duplicate")
    if len(table.palette) != len(names):
        raise ValueError(f"{len(table.palette)} colours for {len(names)} classes")
    if table.ignore_index < len(names):
        raise ValueError(f"ignore_index {table.ignore_index} is the id of a class")
    return table


CheckedClasses = Annotated[ClassTable, AfterValidator(check_classes)]
CLASS_TABLE: TypeAdapter[ClassTable] = TypeAdapter(CheckedClasses)


def pixel_columns(class_names: Sequence[str]) -> list[str]:
    """Return the names of the pixel-count columns, in the order of class ids."""
    return [f"px_{name}" for name in class_names]


def count_pixels(
    label_map: npt.NDArray[np.uint8], class_names: Sequence[str], *, ignore_index: int
) -> dict[str, int]:
    """Count the pixels of each class and the ignored pixels, by column name."""
    counts = np.bincount(label_map.reshape(-1), minlength=256)
    row = {"px_ignore": int(counts[ignore_index])}
    row.update({f"px_{name}": int(counts[i]) for i, name in enumerate(class_names)})
    return row


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path, table: pd.DataFrame) -> None:
    """Write the manifest of `folder`, sorted by id.

    Raises:
        DataError: A column is missing, an id occurs twice, or an item that is not real is outside train.
    """
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise DataError(
            f"{folder / MANIFEST_FILE}: columns {missing} are missing. Run the stage that writes it again."
        )
    _check(folder, table)
    write_csv_table(folder / MANIFEST_FILE, table.sort_values("id"))


def read_manifest(folder: Path, *, split: str | None = None) -> pd.DataFrame:
    """Read the manifest of `folder`, or one split of it, sorted by id.

    Raises:
        DataError: The manifest is missing, an id occurs twice, or an item that is not real is outside train.
    """
    path = folder / MANIFEST_FILE
    if not path.exists():
        raise DataError(
            f"{path}: the manifest is missing. Run `dvc repro` up to the stage that writes {folder}."
        )
    table = read_csv_table(path, text=TEXT_COLUMNS)
    _check(folder, table)
    if split is not None:
        table = table[table["split"] == split]
    return table.sort_values("id").reset_index(drop=True)


def _check(folder: Path, table: pd.DataFrame) -> None:
    twice = table["id"][table["id"].duplicated()].tolist()
    if twice:
        raise DataError(
            f"{folder / MANIFEST_FILE}: ids {twice[:5]} are duplicates. Run the stage that writes it again."
        )
    leaked = table["id"][(table["origin"] != "real") & (table["split"] != "train")].tolist()
    if leaked:
        raise DataError(
            f"{folder / MANIFEST_FILE}: synthesized items {leaked[:5]} are in val or test, allowed is train. "
            "Run the stage that writes it again."
        )
