"""The part of the scan about maps that number objects; only sets with `data.things` have its columns.

| column | what |
|---|---|
| instances | path of the map, relative to the folder of the label maps; empty where there is none |
| instances_error | why the map cannot be used; empty where it can |
| instances_sha256 | of the file |
| instances_height, instances_width | of the map |
| objects | its number of objects of the thing classes |
| unnumbered_px, unnumbered_x, unnumbered_y | thing pixels without a number, and the first of them |
| mixed_objects, mixed_number, mixed_x, mixed_y | objects of a thing class and another class; the first of them |

Ignored pixels of the label map may have any number or none. In the maps of Cityscapes, numbers below 1000 are ids of
labels and no objects; pixels of a thing class that have such a number are a group of objects, which is ignored.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ocrnet.config import DataParams
from ocrnet.data.instance_maps import MAX_OBJECTS
from ocrnet.data.manifest import file_sha256
from ocrnet.data.stored_labels import checked_label_map
from ocrnet.errors import DataError
from ocrnet.errors.machine import machine_error
from ocrnet.raw.label_maps import LabelRules, to_class_ids
from ocrnet.raw.raw_values import read_values
from ocrnet.raw.sources import RawItem

INSTANCE_TEXT = ("instances", "instances_error", "instances_sha256")
INSTANCE_NUMBERS = (
    "instances_height", "instances_width", "objects", "unnumbered_px", "unnumbered_x", "unnumbered_y",
    "mixed_objects", "mixed_number", "mixed_x", "mixed_y",
)  # fmt: skip
FIRST_OBJECT = {"cityscapes": 1000}  # least number of an object, by source; of others 1
Row = dict[str, Any]


def read_numbers(path: Path, data: DataParams) -> npt.NDArray[np.int64]:
    """Read the number of the object at each pixel (H, W) of a map.

    Raises:
        DataError: (E141) The file does not hold whole numbers of at most 65535 objects.
    """
    try:
        values = checked_label_map(path, exif=data.exif, max_pixels=data.max_pixels).values
    except DataError as error:
        if machine_error(error) is not None or not str(error).startswith(("E121", "E105")):
            raise
        raise DataError(f"E141 {str(error).split(' ', 1)[1]}") from error
    cure = "Export a gray PNG of 16 bits with a number for each object and 0 for none"
    if values.ndim != 2:
        raise DataError(f"E141 {path} has colours, expected numbers. {cure}.")
    if int(values.min()) < 0:
        low = int(values.min())
        raise DataError(f"E141 {path} has the number {low}, allowed are 0 and above. {cure}.")
    values = np.where(values < FIRST_OBJECT.get(data.source, 1), 0, values)
    count = np.unique(values[values > 0]).size
    if count > MAX_OBJECTS:
        raise DataError(f"E141 {path} has {count} objects, allowed are {MAX_OBJECTS}. {cure}.")
    return values.astype(np.int64)


def scan_instances(item: RawItem, data: DataParams, rules: LabelRules, *, root: Path) -> Row:
    """Return the columns of an item's instance map; empty without one.

    Args:
        item: Item of a source.
        data: Section `data` of the params.
        rules: Rules of its label map.
        root: Folder that paths of label maps are relative to.

    Raises:
        DataError: The machine failed, such as a full disk.
    """
    path = item.instances
    if path is None:
        return {}
    row: Row = {"instances": path.relative_to(root).as_posix()}
    try:
        numbers = read_numbers(path, data)
    except DataError as error:
        known = machine_error(error)
        if known is not None:
            raise known from error
        return row | {"instances_error": str(error).replace(f"{root}/", "")}
    height, width = numbers.shape
    row |= {"instances_sha256": file_sha256(path), "instances_height": height, "instances_width": width}  # fmt: skip
    label_map = _class_ids(item.label_map, data, rules)
    if label_map is None or label_map.shape != numbers.shape:
        return row  # findings of their own
    return row | compare_maps(numbers, label_map, data)


def compare_maps(
    numbers: npt.NDArray[np.int64], label_map: npt.NDArray[np.uint8], data: DataParams
) -> Row:
    """Return how an instance map (H, W) agrees with its label map (H, W) of class ids."""
    things = [i for i, name in enumerate(data.classes) if name in data.things]
    is_thing = np.isin(label_map, things)
    bare = is_thing & (numbers == 0) & (data.source not in FIRST_OBJECT)
    known = (numbers > 0) & (label_map != data.ignore_index)
    pairs = np.unique(numbers[known] * 256 + label_map[known])
    objects, counts = np.unique(pairs // 256, return_counts=True)
    shown = np.unique(numbers[is_thing & (numbers > 0)])
    mixed = np.intersect1d(objects[counts > 1], shown)
    row: Row = {
        "objects": shown.size,
        "unnumbered_px": int(bare.sum()),
        "mixed_objects": mixed.size,
    }
    if bare.any():
        row["unnumbered_x"], row["unnumbered_y"] = _first(bare)
    if mixed.size:
        row["mixed_number"] = int(mixed[0])
        row["mixed_x"], row["mixed_y"] = _first(numbers == mixed[0])
    return row


def without_groups(
    label_map: npt.NDArray[np.uint8], numbers: npt.NDArray[np.integer], data: DataParams
) -> npt.NDArray[np.uint8]:
    """Return a label map (H, W) that ignores groups of objects, where the source has any, given its instance map."""
    if data.source not in FIRST_OBJECT:
        return label_map
    things = [i for i, name in enumerate(data.classes) if name in data.things]
    groups = np.isin(label_map, things) & (numbers == 0)
    return np.where(groups, np.uint8(data.ignore_index), label_map)


def _class_ids(
    path: Path | None, data: DataParams, rules: LabelRules
) -> npt.NDArray[np.uint8] | None:
    """Return the class ids of a label map; None if it has findings of its own."""
    if path is None:
        return None
    try:
        values = read_values(path, rules, exif=data.exif, max_pixels=data.max_pixels)
        return to_class_ids(values, rules)
    except DataError:
        return None


def _first(mask: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Return x and y of the first pixel of a mask, row by row."""
    y, x = np.unravel_index(int(np.argmax(mask)), mask.shape)
    return int(x), int(y)
