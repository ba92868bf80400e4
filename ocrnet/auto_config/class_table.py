"""The class table that a folder may hold: names of the classes, perhaps with their colours.

`classes.txt` or `labels.txt` names one class per line, in the order of their ids. `class_dict.csv` has the columns
name, r, g, b. `labelmap.txt` is CVAT's.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ocrnet.config.class_names import check_class_names
from ocrnet.data.stored_labels import Colour
from ocrnet.errors import DataError

LISTS = ("classes.txt", "labels.txt")
TABLES = ("class_dict.csv",)
LABEL_MAP = "labelmap.txt"
COLUMNS = ("name", "r", "g", "b")


@dataclass(frozen=True)
class NamedClass:
    """A class of a table; its colour is None where the table has no colours."""

    name: str
    colour: Colour | None = None


def read_class_table(root: Path) -> list[NamedClass]:
    """Return the classes of the table in a folder, by id; empty if there is no table.

    Raises:
        DataError: The table cannot be read, or its names are not allowed.
    """
    there = {path.name.casefold(): path for path in root.iterdir()} if root.is_dir() else {}
    path = next((there[name] for name in (*LISTS, *TABLES, LABEL_MAP) if name in there), None)
    if path is None:
        return []
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        name = path.name.casefold()
        if name == LABEL_MAP:
            lines = _as_table(lines)
        found = _names(lines) if name in LISTS else _rows(lines)
        check_class_names([item.name for item in found])
    except (OSError, ValueError, csv.Error) as error:
        reason = str(error.strerror if isinstance(error, OSError) else error).removesuffix(".")
        raise DataError(
            f"{path}: the class table cannot be used: {reason}. Correct it, or move it out of the folder."
        ) from error
    return found


def _as_table(lines: Sequence[str]) -> list[str]:
    """Return CVAT's lines `name:r,g,b:parts:actions` as a table."""
    fields = [line.split(":") for line in lines if line.strip() and not line.startswith("#")]
    return [",".join(COLUMNS), *(f'"{name}",{colour}' for name, colour, *_ in fields)]


def _names(lines: Sequence[str]) -> list[NamedClass]:
    return [NamedClass(line.strip()) for line in lines if line.strip()]


def _rows(lines: Sequence[str]) -> list[NamedClass]:
    """Return the classes of a table with colours.

    Raises:
        ValueError: A column is missing, a colour is none, or two classes have one colour.
    """
    names: dict[Colour, str] = {}
    for fields in csv.DictReader(lines, skipinitialspace=True):
        row = {str(key).strip().casefold(): value for key, value in fields.items()}
        missing = [column for column in COLUMNS if column not in row]
        if missing:
            raise ValueError(
                f"found the columns {', '.join(row)}, missing are {', '.join(missing)}"
            )
        name = str(row["name"] or "").strip()
        red, green, blue = (_channel(row[column], name) for column in COLUMNS[1:])
        if (red, green, blue) in names:
            raise ValueError(
                f"{names[red, green, blue]} and {name} have the same colour, {red},{green},{blue}"
            )
        names[red, green, blue] = name
    return [NamedClass(name, colour) for colour, name in names.items()]


def _channel(text: str | None, name: str) -> int:
    value = (text or "").strip()
    if not value.isdecimal() or int(value) > 255:
        raise ValueError(f"{name}: found {value!r} in its colour, allowed are 0 to 255")
    return int(value)
