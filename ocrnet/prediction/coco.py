"""Label maps in the form of COCO: one annotation per image and class, as compressed run lengths."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int64

from ocrnet.data.decode import read_label_map
from ocrnet.data.files import whole_file
from ocrnet.data.manifest import ClassTable


class CocoImage(NamedTuple):
    """An image of the file: its name, its (height, width) and the file of its label map."""

    file_name: str
    size: tuple[int, int]
    label_map: Path


def write_coco(path: Path, images: Sequence[CocoImage], classes: ClassTable) -> None:
    """Write a COCO file, annotation by annotation; ids of images, categories and annotations begin with 1.

    Raises:
        DataError: A label map cannot be read.
    """
    entries = [
        {"id": number, "file_name": image.file_name, "height": image.size[0], "width": image.size[1]}
        for number, image in enumerate(images, start=1)
    ]  # fmt: skip
    categories = [
        {"id": number, "name": name, "supercategory": "class"}
        for number, name in enumerate(classes.class_names, start=1)
    ]
    with whole_file(path) as partial, partial.open("w", encoding="utf-8") as file:
        file.write(f'{{"images": {json.dumps(entries)},\n"categories": {json.dumps(categories)},\n')
        file.write('"annotations": [')
        for number, found in enumerate(_annotations(images, classes), start=1):
            file.write(",\n" if number > 1 else "\n")
            file.write(json.dumps({"id": number, **found}))
        file.write("\n]}\n")


def run_lengths(mask: Bool[np.ndarray, "H W"]) -> Int64[np.ndarray, " N"]:
    """Return the lengths of the runs of a mask, column by column; the first run is of pixels outside.

    >>> run_lengths(np.array([[True, False], [True, True]])).tolist()
    [0, 2, 1, 1]
    """
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    ends = np.concatenate([changes, [flat.size]])
    lengths = np.diff(ends, prepend=0)
    return np.concatenate([[0], lengths]) if flat[0] else lengths


def compress(lengths: Int64[np.ndarray, " N"]) -> str:
    """Return run lengths as the text of COCO's API (`rleToString` in its maskApi.c).

    From the fourth on, a length is the difference to the length two before it. A number is written in groups of five
    bits, the lowest first, each as a character from "0" on; 32 more says that a group follows.

    >>> compress(np.array([5, 2, 2, 2, 5]))
    '52203'
    """
    left = lengths.astype(np.int64)
    left[3:] -= lengths[1:-2]
    groups, written = [], [np.ones(len(left), dtype=bool)]
    while written[-1].any():
        low = left & 31
        left >>= 5
        follows = np.where(
            low & 16, left != -1, left != 0
        )  # the highest bit of the last group is the sign
        groups.append(low + 32 * follows + ord("0"))
        written.append(written[-1] & follows)
    characters = np.stack(groups, axis=1).astype(np.uint8)
    return str(characters[np.stack(written[:-1], axis=1)].tobytes(), "ascii")


def _annotations(images: Iterable[CocoImage], classes: ClassTable) -> Iterator[dict[str, Any]]:
    for number, image in enumerate(images, start=1):
        label_map = read_label_map(image.label_map)
        for index in range(classes.num_classes):
            mask = label_map == index
            if mask.any():
                yield {"image_id": number, "category_id": index + 1, **_region(mask)}


def _region(mask: Bool[np.ndarray, "H W"]) -> dict[str, Any]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    return {
        "segmentation": {"size": list(mask.shape), "counts": compress(run_lengths(mask))},
        "area": int(mask.sum()),
        "bbox": [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1],
        "iscrowd": 1,  # COCO's word for a region in run lengths, which may be of several objects
    }
