"""Tables as CSV files, in which no text is read as a missing value.

pandas reads None, NA, nan and null as missing, and 007 as a number; an image may have any of these names. So text
stays as it was written, and only the columns of numbers are converted; an empty field is a missing number.
"""

from collections.abc import Collection
from pathlib import Path

import pandas as pd


def read_csv_table(
    path: Path, *, text: Collection[str], columns: Collection[str] | None = None
) -> pd.DataFrame:
    """Read a table.

    Args:
        path: Path of the file, in UTF-8.
        text: Names of the text columns; all other columns are numbers.
        columns: Names of the columns to read; None: all.
    """
    # The writer does not quote a carriage return, which would end a line by default.
    table = pd.read_csv(
        path,
        dtype=str,
        usecols=None if columns is None else list(columns),
        keep_default_na=False,
        na_filter=False,
        encoding="utf-8",
        lineterminator="\n",
    )
    for name in table.columns:
        if name not in text:
            table[name] = pd.to_numeric(table[name].replace("", None))
    return table


def write_csv_table(path: Path, table: pd.DataFrame, *, float_format: str | None = None) -> None:
    """Write a table; equal rows give equal bytes, and a missing value is an empty field.

    Args:
        path: Path of the file.
        table: Table to write, without its index.
        float_format: Format of floats; by default as many digits as needed.
    """
    table.to_csv(
        path, index=False, lineterminator="\n", float_format=float_format, encoding="utf-8"
    )
