"""The unlabelled images of a prepared set: a folder with a manifest of its own, beside that of the labelled ones.

| column | what |
|---|---|
| id | unique in the set, labelled images included |
| group | as in the manifest |
| image | canonical PNG file, relative to the folder |
| height, width | pixels |
| origin | unlabelled: it has no label map; rest: a training image beyond `prepare.train_fraction` (`prepare.rest`) |
| image_sha256 | hash of the canonical file |
| raw_image | its raw file, relative to its raw folder |
"""

from pathlib import Path

import pandas as pd

from ocrnet.data.csv_tables import read_csv_table, write_csv_table
from ocrnet.data.manifest import MANIFEST_FILE

FOLDER = "unlabelled"  # below that of the prepared set
COLUMNS = ("id", "group", "image", "height", "width", "origin", "image_sha256", "raw_image")
TEXT_COLUMNS = ("id", "group", "image", "origin", "image_sha256", "raw_image")


def has_unlabelled(prepared: Path) -> bool:
    """Return whether a prepared set has unlabelled images."""
    return (prepared / FOLDER / MANIFEST_FILE).exists()


def write_unlabelled_manifest(prepared: Path, table: pd.DataFrame) -> None:
    """Write the manifest of the unlabelled images of a prepared set, sorted by id."""
    columns = list(COLUMNS)
    write_csv_table(prepared / FOLDER / MANIFEST_FILE, table[columns].sort_values("id"))


def read_unlabelled_manifest(prepared: Path) -> pd.DataFrame:
    """Read the manifest of the unlabelled images of a prepared set, sorted by id; the set must have some."""
    table = read_csv_table(prepared / FOLDER / MANIFEST_FILE, text=TEXT_COLUMNS)
    return table.sort_values("id").reset_index(drop=True)
