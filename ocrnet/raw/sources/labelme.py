"""Images with an annotation file of Labelme each: `a.jpg` and `a.json`, in any folder below `data.path`."""

import base64
import binascii
import io
import logging
import math
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import Field

from ocrnet.config import Params
from ocrnet.data.headers import EXTENSIONS
from ocrnet.raw.annotations.categories import Categories
from ocrnet.raw.annotations.drawn_set import (
    Annotated,
    Drawn,
    draw_regions,
    drawn_items,
    split_of,
)
from ocrnet.raw.annotations.image_names import ImageNames
from ocrnet.raw.annotations.json_files import Part, json_files, parse_part
from ocrnet.raw.annotations.rasterize import Mask, Region, Size, runs_of
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.sources import RawItem
from ocrnet.raw.tree import Entry, shown

KEYS = {"shapes", "imagePath"}
WITHOUT_AREA = frozenset({"point", "points", "line", "linestrip"})
CIRCLE_CORNERS = 64

logger = logging.getLogger(__name__)


class _Shape(Part):
    label: str
    points: list[tuple[float, float]]
    shape_type: str = "polygon"
    mask: str | None = None


class _File(Part):
    shapes: list[_Shape]
    imagePath: str = Field(min_length=1)  # noqa: N815
    imageHeight: int = Field(ge=1)  # noqa: N815
    imageWidth: int = Field(ge=1)  # noqa: N815


def find(params: Params, work: Path, inventory: Inventory) -> list[RawItem]:
    """Return the images that Labelme files annotate, with label maps drawn into `work`.

    Raises:
        DataError: There is no Labelme file, a file is wrong, or splits are unclear.
        ParamsError: No param says which class the pixels outside all annotations have.
    """
    files = _files(inventory)
    names = ImageNames(inventory)
    found: list[Annotated] = []
    without_area: Counter[str] = Counter()
    for entry, file in files:
        without_area.update(one.shape_type for one in file.shapes if one.shape_type in WITHOUT_AREA)
        image = _image_of(file, entry, names, inventory)
        if image is not None:
            draw, place = partial(_draw, file, params), _place(entry, inventory)
            found.append(Annotated(image, place, split_of(entry.parts[:-1]), draw))
    for kind, count in sorted(without_area.items()):
        logger.warning("%d shapes of type %s cover no area and are left out", count, kind)
    return drawn_items(found, params, work, inventory)


def category_names(inventory: Inventory) -> list[str]:
    """Return the labels of the shapes that cover an area, sorted."""
    return sorted(
        {
            one.label
            for _, file in _files(inventory)
            for one in file.shapes
            if one.shape_type not in WITHOUT_AREA
        }
    )


def _files(inventory: Inventory) -> list[tuple[Entry, _File]]:
    """Return the files of Labelme with their entries.

    Raises:
        DataError: There is none, or one is wrong.
    """
    found = json_files(inventory, KEYS, tool="Labelme")
    return [
        (entry, parse_part(_File, content, inventory.name(entry.path))) for entry, content in found
    ]


def _place(entry: Entry, inventory: Inventory) -> str:
    """Return the folder of a file; the split is that of the folder."""
    return shown("/".join((*entry.parts[:-1], ""))) or inventory.root.name


def _image_of(file: _File, entry: Entry, names: ImageNames, inventory: Inventory) -> Path | None:
    """Return the image of a file: the one that it names, or the one with its own stem; a missing image is a finding."""
    stem = Path(entry.parts[-1]).stem
    for name in (file.imagePath, *(stem + suffix for suffix in EXTENSIONS)):
        paths = names.find(name, beside=entry.parts[:-1])
        if len(paths) == 1:
            return paths[0]
        if paths:
            inventory.find(
                "E114",
                f"{inventory.name(entry.path)}: {shown(name)} may mean several files. Put the file beside its image.",
            )
            return None
    inventory.find(
        "E114",
        f"{inventory.name(entry.path)}: its image {shown(file.imagePath)} is not below data.path. Put the image beside "
        "the file.",
    )
    return None


def _draw(file: _File, params: Params, categories: Categories) -> Drawn:
    size = (file.imageHeight, file.imageWidth)
    regions = [
        _region(shape, size) for shape in file.shapes if shape.shape_type not in WITHOUT_AREA
    ]
    return draw_regions(regions, size, params, categories)


def _region(shape: _Shape, size: Size) -> Region:
    """Return the region of a shape.

    Raises:
        ValueError: The kind of shape is unknown, or its mask cannot be read.
    """
    points = shape.points
    if shape.shape_type == "polygon":
        return Region(shape.label, (tuple(value for point in points for value in point),))
    if shape.shape_type == "rectangle" and len(points) == 2:
        (x0, y0), (x1, y1) = points
        return Region(shape.label, ((x0, y0, x1, y0, x1, y1, x0, y1),))
    if shape.shape_type == "circle" and len(points) == 2:
        (x, y), edge = points
        radius = math.dist((x, y), edge)
        turns = [2 * math.pi * i / CIRCLE_CORNERS for i in range(CIRCLE_CORNERS)]
        corners = ((x + radius * math.cos(turn), y + radius * math.sin(turn)) for turn in turns)
        return Region(shape.label, (tuple(value for corner in corners for value in corner),))
    if shape.shape_type == "mask" and shape.mask is not None and points:
        return Region(shape.label, runs=runs_of(_placed_mask(shape.mask, points[0], size)))
    raise ValueError(f"a shape of type {shape.shape_type!r} with {len(points)} points is unknown")


def _placed_mask(text: str, corner: tuple[float, float], size: Size) -> Mask:
    """Return the mask (H, W) of a shape, whose picture has its top left corner at (x, y)."""
    try:
        with Image.open(
            io.BytesIO(base64.b64decode(text, validate=True)), formats=("PNG",)
        ) as picture:
            if picture.width * picture.height > size[0] * size[1]:
                raise ValueError("the mask is larger than its image")
            mask = np.asarray(picture.convert("L")) > 0
    except (binascii.Error, OSError, SyntaxError) as error:
        raise ValueError(f"the mask of a shape cannot be read ({error})") from None
    whole = np.zeros(size, dtype=bool)
    left, top = (max(0, round(value)) for value in corner)
    part = (
        mask[: size[0] - top, : size[1] - left]
        if top < size[0] and left < size[1]
        else mask[:0, :0]
    )
    whole[top : top + part.shape[0], left : left + part.shape[1]] = part
    return whole
