"""The scan: every raw file is decoded once, and one table has the results, a row per image.

| column | what |
|---|---|
| id, split, group | from the source; split is empty where it publishes none |
| image, label_map | paths relative to the raw folder; label_map is empty where there is none |
| image_error, label_error | why a file cannot be used; empty where it can |
| image_format, kind, dtype | such as "PNG", "16-bit gray", "uint16" |
| height, width, pixels | of the image, upright if `data.exif` is apply |
| orientation, label_orientation | EXIF flag of image and label map; 1 is upright |
| bands, extra_bands | samples of a pixel of the image; those that are neither colours nor alpha |
| has_alpha, transparent_px | 1 if the image has alpha; its pixels that are not opaque |
| image_min, image_max | over all channels |
| image_sha256, dhash | of the file; of the picture |
| copy_of | id of the first row with the same picture, empty where no other row has it |
| label_format, label_kind, label_height, label_width, label_sha256 | of the label map |
| label_pixels_sha256 | of its raw values, whatever the file's format |
| palette_apart | 1 if a colour of its palette has another index than in most files |
| values, num_values | pixels of the most frequent raw values as JSON; number of values |
| unknown_ids, unknown_colours | number of raw values that no rule names; one is empty, both for JPEG |
| unknown_value, unknown_px, unknown_x, unknown_y | the most frequent one, its number of pixels, its first pixel |
| px_ignore, px_NAME per class | pixels by class |
| other_pixels | pixels that are neither ignored nor of the first class |
| ignored_share | px_ignore / pixels of the label map |
| copies_elsewhere | 1 if the same picture is in another split too |
| group_elsewhere | 1 if the group by `data.group_by` is in another split too |

With `data.things` it also has the columns of `scan_instances.py`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ocrnet.config import DataParams
from ocrnet.data.csv_tables import read_csv_table, write_csv_table
from ocrnet.data.decode import read_picture, rotate, scale_to_uint8
from ocrnet.data.headers import Header, TooLargeError
from ocrnet.data.manifest import pixel_columns
from ocrnet.data.stored_labels import Colour
from ocrnet.errors import DataError
from ocrnet.errors.machine import machine_error
from ocrnet.raw.duplicates import (
    copies_across,
    difference_hash,
    find_copies,
    gray_of,
    thumbnail,
)
from ocrnet.raw.label_maps import label_rules
from ocrnet.raw.label_scan import Row, scan_label_map
from ocrnet.raw.raw_values import palettes_apart
from ocrnet.raw.scan_instances import INSTANCE_NUMBERS, INSTANCE_TEXT, scan_instances
from ocrnet.raw.sources import RawItem, Roots

TEXT = (
    "id", "split", "group", "image", "label_map", "image_error", "label_error", "image_format",
    "kind", "dtype", "image_sha256", "dhash", "copy_of", "label_format", "label_kind", "label_sha256",
    "label_pixels_sha256", "values", "unknown_value",
)  # fmt: skip
NUMBERS = (
    "height", "width", "pixels", "orientation", "image_min", "image_max", "bands", "extra_bands",
    "has_alpha", "transparent_px", "label_orientation", "label_height",
    "label_width", "num_values", "unknown_ids", "unknown_colours", "unknown_px", "unknown_x",
    "unknown_y", "px_ignore", "other_pixels", "ignored_share", "copies_elsewhere",
    "group_elsewhere", "palette_apart",
)  # fmt: skip


class Scan(NamedTuple):
    """The table of the items, and a thumbnail of each image that can be read, by id."""

    table: pd.DataFrame
    thumbnails: dict[str, npt.NDArray[np.float32]]


def scan(items: Sequence[RawItem], data: DataParams, *, roots: Roots) -> pd.DataFrame:
    """Return the table of `scan_files`."""
    return scan_files(items, data, roots=roots).table


def scan_files(items: Sequence[RawItem], data: DataParams, *, roots: Roots) -> Scan:
    """Decode every file of the items; the table is sorted by id.

    Args:
        items: Items of a source.
        data: Section `data` of the params.
        roots: Folders that the paths in the table are relative to.
    """
    rules = label_rules(data)
    thumbnails: dict[str, npt.NDArray[np.float32]] = {}
    palettes: dict[str, dict[int, Colour]] = {}
    rows: list[Row] = []
    for item in sorted(items, key=lambda item: item.id):
        row: Row = {"id": item.id, "split": item.split, "group": item.group}
        row["image"] = item.image.relative_to(roots.images).as_posix()
        try:
            image_row, thumbnails[item.id] = _scan_image(item.image, data)
            row.update(image_row)
        except TooLargeError as error:  # a finding of its own
            row.update(height=error.height, width=error.width, pixels=error.height * error.width)
        except DataError as error:
            _raise_if_of_machine(error)
            row["image_error"] = _without_root(error, roots.images)
        if item.label_map is not None:
            row["label_map"] = item.label_map.relative_to(roots.label_maps).as_posix()
            if row.get("pixels", 0) > data.max_pixels:
                rows.append(row)
                continue
            try:
                label_row, palettes[item.id] = scan_label_map(item.label_map, data, rules)
                row.update(label_row)
            except TooLargeError as error:  # its image is smaller, which is the finding
                row.update(label_height=error.height, label_width=error.width)
            except DataError as error:
                _raise_if_of_machine(error)
                row["label_error"] = _without_root(error, roots.label_maps)
        row.update(scan_instances(item, data, rules, root=roots.label_maps))
        rows.append(row)
    table = _typed(rows, data)
    table["copy_of"] = find_copies(table, thumbnails)
    table["copies_elsewhere"] = table["id"].isin(copies_across(table)["id"]).astype(float)
    apart = dict(zip(palettes, palettes_apart(list(palettes.values())), strict=True))
    table["palette_apart"] = table["id"].map(apart).astype(float)
    table["group_elsewhere"] = _groups_elsewhere(table, data)
    return Scan(table, thumbnails)


def read_table(path: Path, data: DataParams) -> pd.DataFrame:
    """Read a table that was written as CSV.

    Raises:
        DataError: The table is missing.
    """
    if not path.exists():
        raise DataError(f"{path}: the table of the raw files is missing. Run `dvc repro validate`.")
    text = _text(data)
    table = read_csv_table(path, text=text)
    for name in text:
        if name != "copy_of":  # an empty field means a missing value
            table[name] = table[name].replace("", None)
    return _typed(table.to_dict("records"), data)


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write the table as CSV; equal rows give equal bytes."""
    write_csv_table(path, table, float_format="%.10g")


def _scan_image(path: Path, data: DataParams) -> tuple[Row, npt.NDArray[np.float32]]:
    picture = read_picture(path, max_pixels=data.max_pixels)
    header, pixels = picture.header, picture.pixels
    if data.exif == "apply":
        pixels = rotate(pixels, header.orientation)
    low, high = pixels.min().item(), pixels.max().item()
    seen = pixels
    if pixels.dtype != np.uint8:
        seen = scale_to_uint8(pixels, data.value_range or (low, max(high, low + 1)))
    gray = gray_of(seen)
    row = {
        "image_format": header.format,
        "kind": kind_of(header),
        "dtype": str(pixels.dtype),
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "pixels": pixels.shape[0] * pixels.shape[1],
        "orientation": header.orientation,
        "image_min": low,
        "image_max": high,
        "bands": header.storage.bands,
        "extra_bands": header.storage.extra,
        "has_alpha": picture.opacity is not None,
        "transparent_px": picture.transparent_pixels,
        "image_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "dhash": difference_hash(gray),
    }
    return row, thumbnail(gray)


def kind_of(header: Header) -> str:
    """Return depth and colours of a file, such as "16-bit gray"."""
    return f"{header.depth}-bit {'gray' if header.is_gray else 'colour'}"


def _text(data: DataParams) -> list[str]:
    return [*TEXT, *(INSTANCE_TEXT if data.things else ())]


def _typed(rows: Sequence[Mapping[Any, Any]], data: DataParams) -> pd.DataFrame:
    text = _text(data)
    numbers = [*NUMBERS, *(INSTANCE_NUMBERS if data.things else ()), *pixel_columns(data.classes)]
    table = pd.DataFrame(list(rows), columns=[*text, *numbers])
    table[text] = table[text].astype("str")
    table[numbers] = table[numbers].astype(float)
    return table


def _groups_elsewhere(table: pd.DataFrame, data: DataParams) -> pd.Series:
    if data.group_by is None:
        return pd.Series(0.0, index=table.index)
    return (table.groupby("group")["split"].transform("nunique") > 1).astype(float)


def _raise_if_of_machine(error: DataError) -> None:
    """Raise a machine error, such as a full disk: it is no fault of the file."""
    known = machine_error(error)
    if known is not None:
        raise known from error


def _without_root(error: DataError, root: Path) -> str:
    return str(error).replace(f"{root}/", "")
