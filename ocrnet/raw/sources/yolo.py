"""Images with a text file of outlines each, as YOLO trains on: `images/a.jpg` and `labels/a.txt`.

A line of a text file is the number of a category and the outline of an object, with coordinates between 0 and 1. The
names of the categories come from `data.yaml` or `classes.txt`. Images without a text file show no object, as in YOLO.
"""

import logging
import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ocrnet.config import Params
from ocrnet.data.headers import EXTENSIONS
from ocrnet.errors import DataError
from ocrnet.raw.annotations.categories import Categories
from ocrnet.raw.annotations.drawn_set import (
    Annotated,
    Drawn,
    draw_regions,
    drawn_items,
    size_of,
    split_of,
)
from ocrnet.raw.annotations.rasterize import Region
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.sources import RawItem
from ocrnet.raw.sources.split_lists import read_lines
from ocrnet.raw.tree import Entry, shown

IMAGES, LABELS = "images", "labels"
NAME_LISTS = ("classes.txt", "obj.names", "names.txt")
BOX_VALUES = 4
FARTHEST = (-1.0, 2.0)  # a coordinate outside is no share of an image

logger = logging.getLogger(__name__)


def find(params: Params, work: Path, inventory: Inventory) -> list[RawItem]:
    """Return the images of a YOLO set, with label maps drawn into `work`.

    Raises:
        DataError: There are no text files or no names of categories, a file is wrong, or splits are unclear.
        ParamsError: No param says which class the pixels outside all annotations have.
    """
    names = _names(inventory)
    images = [e for e in inventory.open_entries() if e.path.suffix.lower() in EXTENSIONS]
    texts = {e.parts: e for e in inventory.open_entries() if e.path.suffix.lower() == ".txt"}
    labelled = {entry: texts.get(_text_of(entry)) for entry in images}
    if not any(labelled.values()):
        raise DataError(
            f"E114 {inventory.root}: no image has a text file. A set of YOLO has images/a.jpg and labels/a.txt, or "
            "both in one folder."
        )
    found: list[Annotated] = []
    for image, text in labelled.items():
        regions = []
        if text is not None:
            inventory.use(text.path, "annotation files")
            regions = _read_outlines(text.path, names, inventory)
        place = shown("/".join((*image.parts[:-1], ""))) or inventory.root.name
        draw = partial(_draw, regions, image.path, params)
        found.append(Annotated(image.path, place, split_of(image.parts[:-1]), draw))
    bare = sum(text is None for text in labelled.values())
    if bare:
        logger.warning("%d images have no text file: they show no object", bare)
    return drawn_items(found, params, work, inventory)


def category_names(inventory: Inventory) -> list[str]:
    """Return the names of all categories, by their numbers."""
    return list(_names(inventory).values())


def _text_of(image: Entry) -> tuple[str, ...]:
    """Return the parts of the path of an image's text file: `labels/` in place of the last `images/`."""
    folders = list(image.parts[:-1])
    for index in reversed(range(len(folders))):
        if folders[index].casefold() == IMAGES:
            folders[index] = LABELS
            break
    return (*folders, f"{Path(image.parts[-1]).stem}.txt")


def _names(inventory: Inventory) -> dict[int, str]:
    """Return the names of the categories by their numbers."""
    for entry in inventory.open_entries():
        if entry.path.suffix.lower() in (".yaml", ".yml"):
            names = _names_in_yaml(entry.path, inventory)
            if names is not None:
                inventory.use(entry.path, "annotation files")
                return names
    for entry in inventory.open_entries():
        if entry.parts[-1].casefold() in NAME_LISTS:
            inventory.use(entry.path, "annotation files")
            lines = read_lines(entry.path, name=inventory.name(entry.path))
            return dict(enumerate(line for _, line in lines))
    raise DataError(
        f"E114 {inventory.root}: no file names the categories. Put data.yaml with `names: [...]` there, or classes.txt "
        "with a name per line."
    )


def _names_in_yaml(path: Path, inventory: Inventory) -> dict[int, str] | None:
    """Return the names in a YAML file; None if it has none."""
    try:
        content: Any = YAML(typ="safe").load(path.read_text(encoding="utf-8-sig"))
    except (YAMLError, ValueError) as error:
        words = " ".join(str(error).split())[:120]
        raise DataError(f"E116 {inventory.name(path)}: no YAML ({words}). Correct it.") from None
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, Mapping) or not all(isinstance(key, int) for key in names):
        return None
    return {int(number): str(name) for number, name in names.items()}


def _read_outlines(path: Path, names: Mapping[int, str], inventory: Inventory) -> list[Region]:
    """Return the outlines of a text file, in shares of the image; a line that is wrong is a finding."""
    name, regions, boxes = inventory.name(path), [], 0
    for number, line in read_lines(path, name=name):
        try:
            category, values = _parse_line(line, names)
        except ValueError as error:
            inventory.find("E116", f"{name} line {number}: {error}")
            continue
        if len(values) == BOX_VALUES:
            boxes += 1
        else:
            regions.append(Region(category, (values,)))
    if boxes:
        inventory.find(
            "E118",
            f"{name}: {boxes} objects have a box but no outline. Draw their outlines, or remove them.",
        )
    return regions


def _parse_line(line: str, names: Mapping[int, str]) -> tuple[str, tuple[float, ...]]:
    """Return the name of a line's category and its coordinates.

    Raises:
        ValueError: The line is no outline of a category that has a name.
    """
    words = line.split()
    try:
        category, values = int(words[0]), tuple(float(word) for word in words[1:])
    except ValueError:
        category, values = -1, (math.nan,)
    if not all(FARTHEST[0] <= value <= FARTHEST[1] for value in values):
        raise ValueError(
            f"found '{shown(line[:60])}', expected the number of a category and coordinates between 0 and 1. Export "
            "it again."
        )
    if category not in names:
        raise ValueError(
            f"the category {category} has no name; {len(names)} have. Add it to the names."
        )
    if len(values) % 2:
        raise ValueError(
            f"found {len(values)} coordinates, expected x and y of each point. Export it again."
        )
    return names[category], values


def _draw(regions: list[Region], image: Path, params: Params, categories: Categories) -> Drawn:
    height, width = size_of(image, params)
    scaled = [
        Region(one.category, tuple(_scaled(outline, height, width) for outline in one.outlines))
        for one in regions
    ]
    return draw_regions(scaled, (height, width), params, categories)


def _scaled(outline: tuple[float, ...], height: int, width: int) -> tuple[float, ...]:
    return tuple(value * (height if i % 2 else width) for i, value in enumerate(outline))
