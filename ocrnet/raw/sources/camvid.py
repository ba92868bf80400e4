"""CamVid in the layout of the SegNet tutorial: `train/`, `trainannot/`, `train.txt` and so on.

The paths in the lists start with the publisher's `/SegNet/CamVid`, which exists nowhere: only the last
two parts are used. The split is the published one. Frames of one drive are seconds apart, so the group is
the drive, which is the name up to the first "_"; the published split divides drives.
"""

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from ocrnet.config import Params
from ocrnet.data.manifest import SPLITS
from ocrnet.errors import DataError
from ocrnet.raw.groups import group_of
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.sources import RawItem
from ocrnet.raw.sources.split_lists import read_lines
from ocrnet.raw.tree import normalised, shown

DRIVE = "^([^_]+)_"

logger = logging.getLogger(__name__)


def find(params: Params, work: Path, inventory: Inventory) -> list[RawItem]:
    """Return the items of CamVid's three lists; `work` stays empty.

    Raises:
        DataError: A list is missing, or a line of it does not name an image and a label map.
    """
    root = inventory.root
    pattern = params.data.group_by or DRIVE
    there = {entry.parts: entry.path for entry in inventory.entries}
    items: dict[str, RawItem] = {}
    for split in SPLITS:
        listing = root / f"{split}.txt"
        if not inventory.can_use(listing):
            raise DataError(
                f"E114 {listing}: the list is missing. data.source camvid expects train.txt, train/ and "
                "trainannot/, and the same for val and test; set data.path to their folder."
            )
        inventory.use(listing, "lists")
        for number, line in read_lines(listing, name=inventory.name(listing)):
            place = f"{inventory.name(listing)} line {number}"
            # Lines are normalised; the entry has the name as on the disk.
            image, label_map = (
                there.get(parts, root.joinpath(*parts)) for parts in _parts(line, place=place)
            )
            stem = normalised(image.stem)
            if stem in items:
                raise DataError(
                    f"E113 {place}: {shown(stem)} is already in {items[stem].split}. List each image once."
                )
            items[stem] = RawItem(
                id=stem,
                image=image,
                label_map=label_map if os.path.lexists(label_map) else None,
                split=split,
                group=group_of(stem, pattern),
            )
    _leave_unlisted(inventory, items.values())
    return list(items.values())


def _parts(line: str, *, place: str) -> list[tuple[str, ...]]:
    """Return the last folder and the name of both paths of a line."""
    parts = [Path(part).parts[-2:] for part in line.split()]
    if len(parts) != 2 or any(len(part) != 2 or ".." in part for part in parts):
        raise DataError(
            f"E114 {place}: found '{shown(line)}', expected the paths of an image and its label map."
        )
    return parts


def _leave_unlisted(inventory: Inventory, items: Iterable[RawItem]) -> None:
    """Leave out files that no list names; log the number of images among them."""
    listed = {path for item in items for path in (item.image, item.label_map)}
    for split in SPLITS:
        inventory.refuse_linked_folders(inventory.root / split)
        inventory.refuse_linked_folders(inventory.root / f"{split}annot")
    rest = [entry for entry in inventory.open_entries() if entry.path not in listed]
    inventory.leave_rest("in no list", keep=listed)
    unlisted = [entry for entry in rest if len(entry.parts) > 1 and entry.parts[0] in SPLITS]
    if unlisted:
        logger.warning("%d images are in no list and are left out", len(unlisted))
