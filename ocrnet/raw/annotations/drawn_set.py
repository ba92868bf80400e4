"""A set whose label maps are drawn from annotations: its items, ids, splits and label maps."""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ocrnet.config import DataParams, Params
from ocrnet.data.decode import write_label_map
from ocrnet.data.headers import EXTENSIONS, TURNED, header_of, opened
from ocrnet.data.instance_maps import INSTANCES, renumber, write_instances
from ocrnet.errors import DataError
from ocrnet.errors.machine import machine_error
from ocrnet.raw.annotations.categories import Categories
from ocrnet.raw.annotations.rasterize import Region, Size, draw_objects
from ocrnet.raw.groups import group_of
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.label_maps import palette_of
from ocrnet.raw.sources import RawItem
from ocrnet.raw.sources.item_names import Key, item_names
from ocrnet.raw.sources.listed_images import own_splits
from ocrnet.raw.sources.missing_splits import CURE, lacking_splits
from ocrnet.raw.sources.split_names import split_named

LABEL_MAPS = "label_maps"  # folder of the drawn label maps in the work folder
LabelMap = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int32]


class Drawn(NamedTuple):
    """The label map of an image and the number of the object at each pixel, from 1; 0 is none."""

    label_map: LabelMap
    numbers: Numbers


Draw = Callable[[Categories], Drawn]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Annotated:
    """An image with its annotations.

    Args:
        image: Path of the image.
        place: Name of the annotation file in messages.
        split: Split that the annotation file describes; None if it names none.
        draw: Function that returns label map and objects; it raises `ValueError` if the annotations do not fit the
            image.
    """

    image: Path
    place: str
    split: str | None
    draw: Draw


def drawn_items(
    found: Sequence[Annotated], params: Params, work: Path, inventory: Inventory
) -> list[RawItem]:
    """Draw the label map of each image into `work`, and return the items.

    Raises:
        DataError: No annotation file names an image that is there, or splits are unclear.
        ParamsError: No param says which class the pixels outside all annotations have.
    """
    categories = Categories(params.data)
    images = _once(found, inventory)
    if not images:
        raise DataError(
            "\n".join([*inventory.findings, f"E114 {inventory.root}: no annotated image is there. Put the images "
                       "into data.path, beside their annotation files."])
        )  # fmt: skip
    names, palette = item_names(images), palette_of(params.data)
    splits = _splits(images, names, params, inventory)
    items = []
    for key, one in images.items():
        if key not in splits:
            inventory.leave(one.image, "in no list of the split")
            continue
        try:
            drawn = one.draw(categories)
        except (ValueError, DataError) as error:
            inventory.findings.append(_told(error, one, inventory))
            inventory.leave(one.image, "its label map cannot be drawn")
            continue
        label_map = work / LABEL_MAPS / f"{names[key]}.png"
        label_map.parent.mkdir(parents=True, exist_ok=True)
        write_label_map(
            label_map, drawn.label_map, palette=palette, ignore_index=params.data.ignore_index
        )
        numbered = _write_things(drawn, work / INSTANCES / f"{names[key]}.png", params.data)
        group = group_of(names[key], params.data.group_by)
        items.append(
            RawItem(names[key], one.image, label_map, splits[key], group, instances=numbered)
        )
    categories.report(inventory)
    _leave_rest(items, inventory)
    return items


def _write_things(drawn: Drawn, path: Path, data: DataParams) -> Path | None:
    """Write the objects of the thing classes as an instance map, and return its path; None without thing classes."""
    if not data.things:
        return None
    things = [i for i, name in enumerate(data.classes) if name in data.things]
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = np.where(np.isin(drawn.label_map, things), drawn.numbers, 0)
    write_instances(path, renumber(numbers))
    return path


def _told(error: Exception, one: Annotated, inventory: Inventory) -> str:
    """Return the finding of an image whose label map cannot be drawn; a machine error is raised."""
    if not isinstance(error, DataError):
        return f"E116 {one.place}: {inventory.name(one.image)}: {error}. Export it again."
    known = machine_error(error)
    if known is not None:
        raise known from error
    return str(error).replace(f"{inventory.root}/", "")


def draw_regions(
    regions: Sequence[Region], size: Size, params: Params, categories: Categories
) -> Drawn:
    """Return label map and objects of an image from its regions; a region whose category is no class is left out.

    Raises:
        ValueError: The image is too large, or the run lengths of a region are not those of an image of this size.
    """
    if size[0] * size[1] > params.data.max_pixels:
        raise ValueError(
            f"{size[0]}x{size[1]} pixels are more than data.max_pixels ({params.data.max_pixels})"
        )
    ids = [
        (region, params.data.ignore_index if region.is_crowd else categories.id_of(region.category))
        for region in regions
    ]
    return Drawn(
        *draw_objects(
            [(region, class_id) for region, class_id in ids if class_id is not None],
            size,
            background=categories.background,
            ignore_index=params.data.ignore_index,
            overlap=params.data.overlap,
        )
    )


def size_of(image: Path, params: Params) -> Size:
    """Return the size (height, width) of an image: as it is shown if `data.exif` is `apply`, else as it is stored.

    Raises:
        DataError: The image cannot be read or is too large.
    """
    with opened(image, max_pixels=params.data.max_pixels) as picture:
        header = header_of(image, picture)
    if params.data.exif == "apply" and header.orientation in TURNED:
        return header.width, header.height
    return header.height, header.width


def split_of(parts: Sequence[str]) -> str | None:
    """Return the split that folders and the name of an annotation file name, such as `instances_val2017.json`."""
    words = [word for part in parts for word in re.findall(r"[^\W\d_]+", part)]
    named = {split_named(word) for word in words} - {None}
    return named.pop() if len(named) == 1 else None


def _once(found: Sequence[Annotated], inventory: Inventory) -> dict[Key, Annotated]:
    """Return the images by key; an image that two annotation files describe is a finding."""
    images: dict[Key, Annotated] = {}
    for one in sorted(found, key=lambda item: item.image):
        key = one.image.relative_to(inventory.root).with_suffix("").parts
        first = images.setdefault(key, one)
        if first is not one:
            twice = "twice" if first.place == one.place else f"in {first.place} too"
            inventory.find(
                "E113",
                f"{one.place}: {inventory.name(one.image)} is annotated {twice}. Keep one, and move the other out of "
                "data.path.",
            )
            if one.image != first.image:
                inventory.leave(one.image, "another image has its stem")
    return images


def _splits(
    images: dict[Key, Annotated], names: dict[Key, str], params: Params, inventory: Inventory
) -> dict[Key, str | None]:
    own = own_splits(inventory, {key: one.image for key, one in images.items()}, names)
    if own is not None:
        return dict(own)
    places = {one.place: one.split for one in images.values()}
    if len(places) == 1 or not any(places.values()):
        return dict.fromkeys(images)
    unclear = [place for place, split in places.items() if split is None]
    missing = lacking_splits(set(places.values()), params)
    if unclear or missing:
        lacking = f"{unclear[0]} names none of them" if unclear else f"{', '.join(missing)} is missing"  # fmt: skip
        raise DataError(
            f"E126 {', '.join(list(places)[:6])} publish a split into train, val and test, but {lacking}. {CURE}."
        )
    return {key: one.split for key, one in images.items()}


def _leave_rest(items: Sequence[RawItem], inventory: Inventory) -> None:
    keep = [item.image for item in items]
    rest = [entry for entry in inventory.open_entries() if entry.path not in set(keep)]
    lone = [entry for entry in rest if entry.path.suffix.lower() in EXTENSIONS]
    if lone:
        logger.warning("%d images have no annotations and are left out", len(lone))
    for entry in lone:
        inventory.leave(entry.path, "an image without annotations")
    inventory.leave_rest("no image and no annotation file of this source", keep=keep)
