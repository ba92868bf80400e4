"""Predicted objects as rows: class, score, box, area and run lengths."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, UInt8

from ocrnet.data.decode import resize_image
from ocrnet.data.instance_maps import thing_ids
from ocrnet.data.manifest import ClassTable
from ocrnet.errors import DataError
from ocrnet.inference.predict import Segmenter
from ocrnet.objects.grouping import find_objects
from ocrnet.objects.object_map import ObjectMap
from ocrnet.objects.run_lengths import encode_objects

COLUMNS = ("image", "object", "class", "score", "left", "top", "width", "height", "area")


@dataclass(frozen=True)
class FoundObject:
    """A predicted object.

    Args:
        class_name: Name of its class.
        score: Mean probability of its class over its pixels, in [0, 1].
        box: Left, top, width and height, in pixels.
        area: Number of pixels.
        segmentation: COCO's compressed run lengths of its pixels.
    """

    class_name: str
    score: float
    box: tuple[int, int, int, int]
    area: int
    segmentation: dict[str, Any]

    @property
    def answer(self) -> dict[str, Any]:
        """The object as a registered model answers with it."""
        return {
            "class": self.class_name, "score": self.score, "box": list(self.box),
            "area": self.area, "segmentation": self.segmentation,
        }  # fmt: skip

    @property
    def annotation(self) -> dict[str, Any]:
        """The object in the form of COCO, without its ids."""
        return {
            "segmentation": self.segmentation, "area": self.area, "bbox": list(self.box),
            "score": self.score, "iscrowd": 0,
        }  # fmt: skip


def find_in_image(
    segmenter: Segmenter,
    image: UInt8[np.ndarray, "H W 3"],
    probabilities: Float[np.ndarray, "K H W"],
    *,
    min_area: int = 1,
) -> list[FoundObject]:
    """Return the objects of the thing classes of a decoded image, by falling score.

    Args:
        segmenter: Segmenter with thing classes.
        image: Image at the size of its file.
        probabilities: Probability of each class at each pixel of it.
        min_area: Pixels of the smallest object.
    """
    resize, classes = segmenter.decoding.resize, segmenter.class_table
    prepared = image if resize is None else resize_image(image, resize)
    things = thing_ids(classes, segmenter.things)
    found = find_objects(segmenter, prepared, probabilities, things, min_area=min_area)
    return list_objects(found.kept(found.scores >= segmenter.least_score), classes)


def list_objects(found: ObjectMap, classes: ClassTable) -> list[FoundObject]:
    """Return the objects of an image, by falling score."""
    runs, areas = encode_objects(found.numbers, len(found)), found.areas
    listed = [
        FoundObject(
            classes.class_names[found.class_ids[i]],
            round(float(found.scores[i]), 6),
            (columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start),
            int(areas[i]),
            runs[i],
        )
        for i, (rows, columns) in enumerate(found.boxes())
    ]
    return sorted(listed, key=lambda one: -one.score)


def to_json(found: Sequence[FoundObject]) -> str:
    """Return the objects of an image as text for a file."""
    return json.dumps([asdict(one) for one in found]) + "\n"


def read_objects(path: Path) -> list[FoundObject]:
    """Read the objects of an image from the file of `to_json`.

    Raises:
        DataError: The file is damaged.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [FoundObject(**{**row, "box": tuple(row["box"])}) for row in rows]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path}: the objects cannot be read. Begin again with --force.") from error


def object_table(images: Sequence[tuple[str, Sequence[FoundObject]]]) -> pd.DataFrame:
    """Return a row per object of some images, given the path and the objects of each."""
    rows = [
        (image, number, one.class_name, one.score, *one.box, one.area)
        for image, found in images
        for number, one in enumerate(found, start=1)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def count_table(
    images: Sequence[tuple[str, Sequence[FoundObject]]], things: Sequence[str]
) -> pd.DataFrame:
    """Return a row per image: for each thing class the number of its objects, and their mean and largest area."""
    rows = []
    for image, found in images:
        row: dict[str, Any] = {"image": image}
        for name in things:
            areas = [one.area for one in found if one.class_name == name]
            row |= {
                f"count_{name}": len(areas),
                f"mean_area_{name}": round(sum(areas) / len(areas), 2) if areas else 0.0,
                f"largest_area_{name}": max(areas, default=0),
            }
        rows.append(row)
    names = [f"{kind}_{name}" for name in things for kind in ("count", "mean_area", "largest_area")]
    return pd.DataFrame(rows, columns=["image", *names])
