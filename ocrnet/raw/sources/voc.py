"""The layout of PASCAL VOC: `JPEGImages/`, `SegmentationClass/`, and lists in `ImageSets/Segmentation/`.

The three folders may be below others, such as `VOCdevkit/VOC2012/`. Label maps hold ids by their palette, 255 on the
borders of objects; CVAT writes colours in place of ids. Images without a label map are left out: most images of VOC
have boxes alone.
"""

from collections.abc import Mapping
from pathlib import Path

from ocrnet.config import Params
from ocrnet.data.headers import EXTENSIONS
from ocrnet.data.manifest import SPLITS
from ocrnet.errors import DataError
from ocrnet.raw.groups import group_of
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.sources import RawItem
from ocrnet.raw.sources.listed_images import listed_splits, own_splits
from ocrnet.raw.sources.missing_splits import CURE, lacking_splits
from ocrnet.raw.tree import Entry

IMAGES, LABEL_MAPS, LISTS = "JPEGImages", "SegmentationClass", ("ImageSets", "Segmentation")
Key = tuple[str, ...]


def find(params: Params, work: Path, inventory: Inventory) -> list[RawItem]:
    """Return the images of a VOC layout that have a label map; `work` stays empty.

    Raises:
        DataError: A folder is missing or there twice, no image has a label map, or a split is missing.
    """
    base = _base(inventory)
    images = _files(inventory, (*base, IMAGES))
    label_maps = _files(inventory, (*base, LABEL_MAPS))
    paired = {key: path for key, path in images.items() if key in label_maps}
    if not paired:
        raise DataError(
            f"E114 {inventory.root}: {len(images)} images in {IMAGES}/ and {len(label_maps)} label maps in "
            f"{LABEL_MAPS}/, but no two have one stem. Give each label map the stem of its image."
        )
    names = {key: "-".join(key) for key in paired}
    splits = _splits(params, inventory, base, paired, names)
    _leave(inventory, images, "an image without a label map", keep=paired)
    _leave(inventory, label_maps, "a label map without an image", keep=paired)
    _leave(inventory, images, "in no list of the split", keep=splits)
    _leave(inventory, label_maps, "the label map of an image that is in no list of the split", keep=splits)  # fmt: skip
    kept = [key for key in paired if key in splits]
    used = [files[key] for key in kept for files in (images, label_maps)]
    inventory.leave_rest(f"outside {IMAGES}/ and {LABEL_MAPS}/", keep=used)
    group_by = params.data.group_by
    return [
        RawItem(names[key], images[key], label_maps[key], splits[key], group_of(names[key], group_by))
        for key in kept
    ]  # fmt: skip


def _base(inventory: Inventory) -> Key:
    """Return the folders above the image folder."""
    bases = {
        entry.parts[: entry.parts.index(IMAGES)]
        for entry in inventory.open_entries()
        if IMAGES in entry.parts[:-1]
    }
    if len(bases) != 1:
        found = ", ".join("/".join((*base, IMAGES)) for base in sorted(bases)) or "none"
        raise DataError(
            f"E114 {inventory.root}: found {found}, expected one folder {IMAGES}/ with images. Set data.path to the "
            f"folder that contains {IMAGES}/ and {LABEL_MAPS}/."
        )
    return bases.pop()


def _files(inventory: Inventory, folder: Key) -> dict[Key, Path]:
    """Return the images of a folder, by their paths below it without the extension."""
    found: dict[Key, Path] = {}
    for entry in inventory.open_entries(under=inventory.root.joinpath(*folder)):
        if entry.path.suffix.lower() in EXTENSIONS:
            first = found.setdefault(_key(entry, folder), entry.path)
            if first != entry.path:
                inventory.find(
                    "E114",
                    f"{inventory.name(first)} and {inventory.name(entry.path)} have the same stem. Keep one of them.",
                )
                inventory.leave(entry.path, "another file has its stem")
    return found


def _key(entry: Entry, folder: Key) -> Key:
    parts = entry.parts[len(folder) :]
    return (*parts[:-1], Path(parts[-1]).stem)


def _splits(
    params: Params,
    inventory: Inventory,
    base: Key,
    images: Mapping[Key, Path],
    names: Mapping[Key, str],
) -> dict[Key, str | None]:
    """Return the split of each image by the lists; None for all where no list is called after a split."""
    below = {(*base, IMAGES, *key): path for key, path in images.items()}
    own = own_splits(inventory, below, {(*base, IMAGES, *key): name for key, name in names.items()})
    if own is not None:
        return {key[len(base) + 1 :]: split for key, split in own.items()}
    folder = inventory.root.joinpath(*base, *LISTS)
    lists = {split: folder / f"{split}.txt" for split in SPLITS}
    there = {split: path for split, path in lists.items() if inventory.can_use(path)}
    if not there:
        return dict.fromkeys(images)
    missing = [inventory.name(lists[split]) for split in lacking_splits(there, params)]
    if missing:
        raise DataError(
            f"E126 {', '.join(missing)}: the list is missing, but other lists of the split are there. {CURE}."
        )
    for path in there.values():
        inventory.use(path, "lists")
    return dict(listed_splits(inventory, there, images, names, folder=IMAGES))


def _leave(
    inventory: Inventory,
    files: Mapping[Key, Path],
    reason: str,
    *,
    keep: Mapping[Key, object],
) -> None:
    for key, path in files.items():
        if key not in keep and inventory.is_open(path):
            inventory.leave(path, reason)
