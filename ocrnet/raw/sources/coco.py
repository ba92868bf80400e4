"""Images with annotations in COCO's JSON: instances, stuff or panoptic segments, from COCO or from a labelling tool.

Every JSON file below `data.path` with `images`, `annotations` and `categories` is read. Its images may be in any
folder below `data.path`. A file name or a folder with `train`, `val` or `test` publishes a split.
"""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from ocrnet.config import Params
from ocrnet.data.decode import read_pixels
from ocrnet.errors import DataError
from ocrnet.raw.annotations.categories import Categories
from ocrnet.raw.annotations.coco_file import KEYS, CocoFile, CocoImage, Segment
from ocrnet.raw.annotations.drawn_set import (
    Annotated,
    Draw,
    Drawn,
    draw_regions,
    drawn_items,
    size_of,
    split_of,
)
from ocrnet.raw.annotations.image_names import ImageNames
from ocrnet.raw.annotations.json_files import json_files
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.sources import RawItem
from ocrnet.raw.tree import Entry, shown

NAMED = 3  # images in a finding

logger = logging.getLogger(__name__)


def find(params: Params, work: Path, inventory: Inventory) -> list[RawItem]:
    """Return the images that COCO files annotate, with label maps drawn into `work`.

    Raises:
        DataError: There is no COCO file, a file is wrong, or splits are unclear.
        ParamsError: No param says which class the pixels outside all annotations have.
    """
    files = _files(inventory)
    names = ImageNames(inventory)
    found: list[Annotated] = []
    for entry, file in files:
        found += _images_of(file, entry, names, params, inventory)
    return drawn_items(found, params, work, inventory)


def category_names(inventory: Inventory) -> list[str]:
    """Return the names of the categories that have an annotation, in the order of the files."""
    return list(
        dict.fromkeys(name for _, file in _files(inventory) for name in file.used_categories)
    )


def _files(inventory: Inventory) -> list[tuple[Entry, CocoFile]]:
    """Return the files of COCO with their entries.

    Raises:
        DataError: There is none, or one is wrong.
    """
    found = json_files(inventory, KEYS, tool="COCO")
    return [(entry, CocoFile(content, inventory.name(entry.path))) for entry, content in found]


def _images_of(
    file: CocoFile, entry: Entry, names: ImageNames, params: Params, inventory: Inventory
) -> list[Annotated]:
    """Return the images of a file; images that are missing, and objects without an outline, are findings."""
    found: list[Annotated] = []
    missing: list[str] = []
    unclear: list[str] = []
    for image in file.images:
        paths = names.find(image.file_name, beside=entry.parts[:-1])
        if len(paths) == 1:
            draw = _draw_of(
                file, image, paths[0], names, params, beside=entry.parts[:-1], inventory=inventory
            )
            found.append(Annotated(paths[0], file.place, split_of(entry.parts), draw))
        else:
            (unclear if paths else missing).append(image.file_name)
    if missing:
        inventory.find(
            "E114",
            f"{file.place}: {_listed(missing)} of its {len(file.images)} images are not below data.path. Put the "
            "images there, or remove them from the file.",
        )
    if unclear:
        inventory.find(
            "E114",
            f"{file.place}: {_listed(unclear)} may each mean several files. Write their folders into the file.",
        )
    if file.boxes:
        inventory.find(
            "E118",
            f"{file.place}: {file.boxes} objects have a box but no outline. Draw their outlines, or remove them.",
        )
    if file.small:
        logger.warning(
            "%s: %d outlines with fewer than three points cover nothing", file.place, file.small
        )
    return found


def _listed(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > NAMED else ""
    return f"{len(names)} ({', '.join(shown(name) for name in names[:NAMED])}{more})"


def _draw_of(
    file: CocoFile, image: CocoImage, path: Path, names: ImageNames, params: Params, *, beside: tuple[str, ...],
    inventory: Inventory,
) -> Draw:  # fmt: skip
    panoptic = file.panoptic_of(image)
    if panoptic is None:
        return partial(_draw, file, image, path, params)
    name, segments = panoptic
    pictures = [one for one in names.find(name, beside=beside) if one != path]
    if len(pictures) != 1:
        raise DataError(
            f"E114 {file.place}: the panoptic picture {shown(name)} is not below data.path. Put it there."
        )
    if inventory.is_open(pictures[0]):
        inventory.use(pictures[0], "panoptic pictures")
    return partial(_draw_panoptic, pictures[0], segments, params)


def _draw(
    file: CocoFile, image: CocoImage, path: Path, params: Params, categories: Categories
) -> Drawn:
    size = image.size or size_of(path, params)
    return draw_regions(file.regions_of(image), size, params, categories)


def _draw_panoptic(
    picture: Path, segments: Sequence[tuple[Segment, str]], params: Params, categories: Categories
) -> Drawn:
    """Return label map and objects of a panoptic picture.

    Its colours are ids: red + 256 green + 65536 blue; 0 is none.
    """
    _, pixels = read_pixels(picture, max_pixels=params.data.max_pixels)
    if pixels.ndim != 3:
        raise ValueError(f"its panoptic picture {picture.name} has no colours")
    ids = pixels[..., :3].astype(np.int64) @ np.array([1, 256, 65536])
    label_map = np.full(ids.shape, params.data.ignore_index, dtype=np.uint8)
    numbers = np.zeros(ids.shape, dtype=np.int32)
    for number, (segment, category) in enumerate(segments, start=1):
        class_id = params.data.ignore_index if segment.iscrowd else categories.id_of(category)
        if class_id is not None:
            label_map[ids == segment.id] = class_id
            numbers[ids == segment.id] = number
    return Drawn(label_map, numbers)
