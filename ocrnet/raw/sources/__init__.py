"""Sources of raw data: each has one file and one line in `SOURCES`.

A source finds (or renders) the raw files and pairs images with label maps; it decodes nothing. Its function gets the
params, a work folder and the inventory of the raw folder, and returns one `RawItem` per image. It reports the files
that it leaves out to the inventory; `find_items` checks that every file is reported.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ocrnet.components import load_component
from ocrnet.config import DataParams, Params
from ocrnet.errors import DataError
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.label_maps import DRAWN_SOURCES
from ocrnet.raw.unlabelled_files import ROLE, find_unlabelled


@dataclass(frozen=True)
class RawItem:
    """One raw image with its label map.

    Args:
        id: Id that is unique in the set and usable as a file name.
        image: Path of the image.
        label_map: Path of the label map; None if the source found none.
        split: One of train, val and test if the source publishes a split, else None.
        group: Group of the image; images of one group share a split.
        is_unlabelled: Whether it is kept for training without a label map.
        instances: Path of the map that numbers the objects; None if the source found or wrote none. It may be the
            label map itself.
    """

    id: str
    image: Path
    label_map: Path | None
    split: str | None
    group: str
    is_unlabelled: bool = False
    instances: Path | None = None

    @property
    def files(self) -> tuple[tuple[Path, str], ...]:
        """The files of the item, each with its role in the plural."""
        role = ROLE if self.is_unlabelled else "images"
        named = [(self.image, role), (self.label_map, "label maps")]
        if self.instances != self.label_map:
            named.append((self.instances, "instance maps"))
        return tuple((path, role) for path, role in named if path is not None)


Source = Callable[[Params, Path, Inventory], list[RawItem]]
MAX_NAME = 255 - len(".png")  # bytes of an id, which becomes a file name

# Import paths, so that reading the table imports no source.
SOURCES: dict[str, str] = {
    "demo": "ocrnet.raw.sources.demo:find",
    "folder": "ocrnet.raw.sources.folder:find",
    "by_name": "ocrnet.raw.sources.by_name:find",
    "camvid": "ocrnet.raw.sources.camvid:find",
    "coco": "ocrnet.raw.sources.coco:find",
    "labelme": "ocrnet.raw.sources.labelme:find",
    "yolo": "ocrnet.raw.sources.yolo:find",
    "voc": "ocrnet.raw.sources.voc:find",
    "cityscapes": "ocrnet.raw.sources.cityscapes:find",
    "cocostuff": "ocrnet.raw.sources.cocostuff:find",
}

# Functions that return the names of the categories that annotations use, by the name of their source.
CATEGORIES: dict[str, str] = {
    "coco": "ocrnet.raw.sources.coco:category_names",
    "labelme": "ocrnet.raw.sources.labelme:category_names",
    "yolo": "ocrnet.raw.sources.yolo:category_names",
}


def load_source(name: str) -> Source:
    """Return the function of the source called `name`.

    Raises:
        ParamsError: The source does not exist.
    """
    source: Source = load_component(SOURCES, name, key="data.source")
    return source


def category_names(source: str, root: Path) -> list[str]:
    """Return the names of the categories that the annotations of a raw folder use.

    Args:
        source: Name of a source that draws label maps from annotations.
        root: Raw folder.

    Raises:
        DataError: There are no annotations, or a file is wrong.
    """
    names: list[str] = load_component(CATEGORIES, source, key="data.source")(Inventory(root))
    return names


def find_items(params: Params, work: Path, inventory: Inventory) -> list[RawItem]:
    """Return the items of the source that the params name, and those of `data.unlabelled`; each id is unique.

    Args:
        params: Params that describe the data.
        work: Folder for files that the source renders.
        inventory: Inventory of `data.path`, which receives the use of each file and the findings.

    Raises:
        DataError: There is no set to scan; the message lists earlier findings first. The inventory then lacks the
            files that were not reached.
    """
    try:
        return _find_items(params, work, inventory)
    except DataError as error:
        raise DataError("\n".join([*inventory.findings, str(error)])) from error


def _find_items(params: Params, work: Path, inventory: Inventory) -> list[RawItem]:
    unlabelled = [
        RawItem(file.id, file.path, None, None, file.group, is_unlabelled=True)
        for file in find_unlabelled(params.data, inventory)
    ]
    found = load_source(params.data.source)(params, work, inventory)
    items = [item for item in (_with_files(item, inventory) for item in found) if item is not None]
    items = _without_label_map(items, params.data, inventory)
    kept = _with_own_ids([*items, *unlabelled], inventory)
    for item in kept:
        for path, role in item.files:
            if inventory.can_use(path):
                inventory.use(path, role)
    _leave_dropped(found, kept, inventory)
    inventory.check_balance()
    if all(item.is_unlabelled for item in kept):
        raise DataError(
            f"E114 {inventory.root}: no image with a label map can be read. Correct the findings above."
        )
    return kept


def _without_label_map(
    items: list[RawItem], data: DataParams, inventory: Inventory
) -> list[RawItem]:
    """Return the items after `data.without_label_map`: those without a label map stay, are unlabelled, or are left out.

    An image of a published val or test split stays what it is, which is a finding: no training may see it.
    """
    rule = data.without_label_map
    kept = []
    for item in items:
        lacks = item.label_map is None
        if lacks and rule == "drop" and inventory.can_use(item.image):
            inventory.leave(item.image, "without a label map (data.without_label_map: drop)")
        elif lacks and rule == "unlabelled" and item.split in (None, "train"):
            kept.append(replace(item, split=None, is_unlabelled=True))
        else:
            kept.append(item)
    return kept


def _with_files(item: RawItem, inventory: Inventory) -> RawItem | None:
    """Return an item without files that exist but cannot be read; None if its image is such a file."""
    if _refuses(item.image, inventory):
        return None
    if item.label_map is not None and _refuses(item.label_map, inventory):
        item = replace(item, label_map=None)
    if item.instances is not None and _refuses(item.instances, inventory):
        item = replace(item, instances=None)
    return item


def _refuses(path: Path, inventory: Inventory) -> bool:
    """Return whether an item names a file that must not be opened; the scan reports missing files."""
    if (
        not path.is_relative_to(inventory.root)
        or inventory.can_use(path)
        or not os.path.lexists(path)
    ):
        return False
    inventory.find(
        "E114",
        f"{inventory.name(path)} is listed, but it is not a file that can be read. Put the file itself there.",
    )
    return True


def _with_own_ids(items: list[RawItem], inventory: Inventory) -> list[RawItem]:
    kept: dict[str, RawItem] = {}
    for item in items:
        first, size = kept.get(item.id), len(os.fsencode(item.id))
        if first is not None:
            inventory.find(
                "E114",
                f"{_name(first, inventory)} and {_name(item, inventory)} both become the id {item.id!r}. "
                "Rename one, or its folder.",
            )
        elif size > MAX_NAME:
            inventory.find(
                "E114",
                f"{_name(item, inventory)}: its id has {size} bytes, and at most {MAX_NAME} fit into a file name. "
                "Shorten the names of the file or of its folders.",
            )
        else:
            kept[item.id] = item
    return list(kept.values())


def _name(item: RawItem, inventory: Inventory) -> str:
    is_below = item.image.is_relative_to(inventory.root)
    return inventory.name(item.image) if is_below else str(item.image)


def _leave_dropped(found: list[RawItem], kept: list[RawItem], inventory: Inventory) -> None:
    """Leave out the files of items that were refused."""
    used = {path for item in kept for path, _ in item.files}
    for item in found:
        for path, _ in item.files:
            if path not in used and inventory.can_use(path):
                inventory.leave(path, "belongs to an image that is refused")


@dataclass(frozen=True)
class Roots:
    """The folders that paths of raw files are relative to.

    Args:
        images: Folder of the images.
        label_maps: Folder of the label maps.
    """

    images: Path
    label_maps: Path


def raw_roots(source: str, path: Path, work: Path) -> Roots:
    """Return the folders of the raw files: `work` for what the source rendered or drew, else `data.path`.

    Args:
        source: Name of the source.
        path: Value of `data.path`.
        work: Folder for files that the source renders.
    """
    if source in DRAWN_SOURCES:
        return Roots(path, work)
    return Roots(work, work) if work.is_dir() else Roots(path, path)
