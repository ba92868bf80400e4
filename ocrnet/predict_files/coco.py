"""Label maps in the form of COCO: one annotation per image and class, as compressed run lengths.

Where the objects of an image are known, a thing class has one annotation per object instead, with its score.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool
from pycocotools import mask as coco_mask

from ocrnet.data.decode import read_label_map
from ocrnet.data.files import whole_file
from ocrnet.data.manifest import ClassTable
from ocrnet.predict_files.objects import read_objects


class CocoImage(NamedTuple):
    """An image of the file: its name, its (height, width), the file of its label map and that of its objects."""

    file_name: str
    size: tuple[int, int]
    label_map: Path
    objects: Path | None = None


def write_coco(
    path: Path, images: Sequence[CocoImage], classes: ClassTable, things: Sequence[str] = ()
) -> None:
    """Write a COCO file, annotation by annotation; ids of images, categories and annotations begin with 1.

    Args:
        path: Path of the file.
        images: Images in the order of their ids.
        classes: Class table of the label maps.
        things: Names of the classes whose objects are told apart, in images whose objects are known.

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
        for number, found in enumerate(_annotations(images, classes, things), start=1):
            file.write(",\n" if number > 1 else "\n")
            file.write(json.dumps({"id": number, **found}))
        file.write("\n]}\n")


def _annotations(
    images: Iterable[CocoImage], classes: ClassTable, things: Sequence[str]
) -> Iterator[dict[str, Any]]:
    for number, image in enumerate(images, start=1):
        label_map = read_label_map(image.label_map)
        apart = () if image.objects is None else things
        for index, name in enumerate(classes.class_names):
            mask = label_map == index
            if name not in apart and mask.any():
                yield {"image_id": number, "category_id": index + 1, **_region(mask)}
        for found in () if image.objects is None else read_objects(image.objects):
            category = classes.class_names.index(found.class_name) + 1
            yield {"image_id": number, "category_id": category, **found.annotation}


def _region(mask: Bool[np.ndarray, "H W"]) -> dict[str, Any]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    counts = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))["counts"]
    return {
        "segmentation": {
            "size": list(mask.shape),
            "counts": counts if isinstance(counts, str) else counts.decode("ascii"),
        },
        "area": int(mask.sum()),
        "bbox": [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1],
        "iscrowd": 1,  # COCO's word for a region in run lengths, which may be of several objects
    }
