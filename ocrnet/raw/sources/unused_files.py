"""Files of a `folder` source that are left out, and what the user reads about them."""

import logging
from collections.abc import Mapping
from pathlib import Path

from ocrnet.data.headers import EXTENSIONS
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.sources.folder_sides import Side
from ocrnet.raw.sources.item_names import Key

TEXT = frozenset({".txt", ".md", ".json", ".xml", ".csv", ".tsv", ".yaml", ".yml", ".log", ".html"})
NAMED = 5  # files in a finding; the summary names all
NO_SUFFIX = "(no extension)"

logger = logging.getLogger(__name__)


def leave_other_types(inventory: Inventory, images: Side, label_maps: Side) -> None:
    """Leave out files of other types; if a pair is lost by that, it is a finding."""
    read = (
        f"Allowed types: {', '.join(EXTENSIONS)}. Convert the files, or move them out of data.path."
    )
    for side, other, word in ((images, label_maps, "label map"), (label_maps, images, "image")):
        lost: dict[str, list[Path]] = {}
        for key, paths in side.others.items():
            for path in paths:
                if not inventory.is_open(path):  # a list of the split
                    continue
                suffix = path.suffix.lower()
                inventory.leave(path, f"of type {suffix or NO_SUFFIX}, which is not read")
                if key in other.files and key not in side.files and suffix not in TEXT:
                    lost.setdefault(suffix, []).append(path)
        for suffix, paths in sorted(lost.items()):
            named = ", ".join(inventory.name(path) for path in paths[:NAMED])
            more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
            inventory.find(
                "E114",
                f"{side.folder.name}/ has {len(paths)} files of type {suffix or NO_SUFFIX}, which is not read, and a "
                f"{word} has the stem of each: {named}{more}. {read}",
            )


def leave_lone_label_maps(inventory: Inventory, label_maps: Side, taken: set[Path]) -> None:
    """Leave out label maps that belong to no image."""
    lone = [path for path in label_maps.files.values() if path not in taken]
    for path in lone:
        inventory.leave(path, "a label map without an image that is read")
    if lone:
        logger.warning(
            "%d masks have no image that is read: %s ...", len(lone), inventory.name(lone[0])
        )


def leave_unlisted(
    inventory: Inventory,
    images: Side,
    partners: Mapping[Key, Path],
    splits: Mapping[Key, str | None],
) -> None:
    """Leave out images that no list of the split names, with their label maps."""
    unlisted = [key for key in images.files if key not in splits]
    for key in unlisted:
        inventory.leave(images.files[key], "in no list of the split")
        if key in partners:
            inventory.leave(
                partners[key], "the label map of an image that is in no list of the split"
            )
    if unlisted:
        logger.warning("%d images are in no list and are left out", len(unlisted))
