"""The table of the classes of pseudo-labels: their rules on validation images, and what is kept of unlabelled images.

| column | what |
|---|---|
| class | name |
| source | own: measured on pixels of the class; pooled: on those of the other classes, since it has too few |
| val_pixels | labelled validation pixels that are predicted as the class |
| threshold | lowest confidence of a pseudo-label |
| val_precision, val_kept | share of right pixels among the kept ones, and share of the kept ones among the predicted |
| predicted_share, kept_share | predicted and kept pixels of the class as shares of all unlabelled pixels |
| kept_of_predicted | kept pixels as a share of the predicted ones; empty if the class is not predicted |
"""

from pathlib import Path

import pandas as pd

from ocrnet.data.csv_tables import read_csv_table, write_csv_table

FOLDER = "pseudo_label"  # of the stage, with a folder per seed
TABLE_FILE, SHEET_FILE = "classes.csv", "sheet.jpg"
PAIRS = "pairs"  # folder of the pairs
COLUMNS = (
    "class", "source", "val_pixels", "threshold", "val_precision", "val_kept", "predicted_share", "kept_share",
    "kept_of_predicted",
)  # fmt: skip
TEXT_COLUMNS = ("class", "source")


def write_shares(folder: Path, table: pd.DataFrame) -> None:
    """Write the table into the folder of a stage."""
    write_csv_table(folder / TABLE_FILE, table[list(COLUMNS)])


def read_shares(folder: Path) -> pd.DataFrame:
    """Read the table that `write_shares` wrote."""
    return read_csv_table(folder / TABLE_FILE, text=TEXT_COLUMNS)
