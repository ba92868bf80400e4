"""Connected components of label maps, and the classes that touch."""

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import ndimage

LabelMap = npt.NDArray[np.uint8]
Region = npt.NDArray[np.bool_]
Box = tuple[slice, slice]
Numbers = npt.NDArray[
    np.int32
]  # an instance map: the number of the object at each pixel, 0 for none
Values = TypeVar("Values", bound=npt.NDArray[Any])

# Diagonal neighbours are connected, so that thin lines stay whole.
EIGHT = np.ones((3, 3), dtype=np.bool_)


def components(label_map: LabelMap, ignore_index: int) -> Iterator[tuple[int, Region, int, Box]]:
    """Yield class id, mask within its box, number from 1 and box of each connected component."""
    for class_id in np.unique(label_map).tolist():
        if class_id == ignore_index:
            continue
        parts, boxes = parts_of(label_map == class_id)
        for number, box in enumerate(boxes, start=1):
            yield class_id, np.asarray(parts[box] == number), number, box


def numbered_parts(
    label_map: LabelMap, ignore_index: int
) -> Iterator[tuple[int, npt.NDArray[np.integer[Any]], npt.NDArray[np.int64]]]:
    """Yield each class id of a label map, its connected components numbered from 1, and their areas in pixels."""
    for class_id in np.unique(label_map).tolist():
        if class_id != ignore_index:
            parts, _ = ndimage.label(label_map == class_id, EIGHT)
            yield class_id, parts, np.bincount(parts.ravel())[1:].astype(np.int64)


def adjacent_classes(label_map: LabelMap, *, ignore_index: int) -> frozenset[tuple[int, int]]:
    """Return the pairs (a, b), a < b, of different classes that share a pixel edge."""
    pairs: set[tuple[int, int]] = set()
    for one, other in ((label_map[:, 1:], label_map[:, :-1]), (label_map[1:], label_map[:-1])):
        edge = one != other
        low = np.minimum(one[edge], other[edge]).astype(np.int64)
        high = np.maximum(one[edge], other[edge]).astype(np.int64)
        for code in np.unique(low * 256 + high).tolist():
            a, b = divmod(code, 256)
            if ignore_index not in (a, b):
                pairs.add((a, b))
    return frozenset(pairs)


def parts_of(region: Region) -> tuple[npt.NDArray[np.int64], list[Box]]:
    """Number the connected components of a region from 1, and return the box of each."""
    parts, _ = ndimage.label(region, EIGHT)
    boxes = [(rows, columns) for rows, columns in ndimage.find_objects(parts)]
    return parts.astype(np.int64), boxes


def sides_of(box: Box, height: int, width: int) -> int:
    """Count the sides of the image that a box touches."""
    rows, columns = box
    return sum((rows.start == 0, rows.stop == height, columns.start == 0, columns.stop == width))


def contact_of(region: Region, box: Box, height: int, width: int) -> int:
    """Count the pixels of a region, given within its box, that are at the sides of the image."""
    rows, columns = box
    return int(
        region[0].sum() * (rows.start == 0)
        + region[-1].sum() * (rows.stop == height)
        + region[:, 0].sum() * (columns.start == 0)
        + region[:, -1].sum() * (columns.stop == width)
    )


def below(region: Region) -> Region:
    """Return the pixels right below a region."""
    under = np.zeros_like(region)
    under[1:] = region[:-1]
    return under & ~region


def fill_nearest(values: Values, hole: Region, sources: Region) -> Values:
    """Return a label map or an instance map with each pixel of `hole` filled from the nearest pixel of `sources`."""
    filled = values.copy()
    if hole.any():
        rows, columns = ndimage.distance_transform_edt(
            ~sources, return_distances=False, return_indices=True
        )
        filled[hole] = values[rows[hole], columns[hole]]
    return filled


def table_of(class_ids: list[int]) -> Region:
    """Return a boolean table of 256 ids that is true at `class_ids`."""
    table = np.zeros(256, dtype=np.bool_)
    table[class_ids] = True
    return table
