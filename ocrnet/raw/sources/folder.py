"""A folder of images and a folder of label maps with the same stems.

`images/` (or `img_dir/`) and `masks/` (or `annotations/`, `labels/`, `ann_dir/`; without these, `instances/`), any
image type, any case of the extension, subfolders allowed on both sides. The split comes from lists such as
`splits/{train,val,test}.txt`, or from subfolders such as `images/{train,val,test}`; without either, `prepare` draws
one by group. `split_lists` and `split_folders` define what counts as a split.

With `data.things`, `instances/` also gives the objects, beside the label maps or as the label maps themselves.
"""

from collections.abc import Mapping
from pathlib import Path

from ocrnet.config import Params
from ocrnet.data.headers import EXTENSIONS
from ocrnet.errors import DataError
from ocrnet.raw.groups import group_of
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.sources import RawItem
from ocrnet.raw.sources.folder_sides import Side, folders_named, read_side
from ocrnet.raw.sources.item_names import Key, item_names
from ocrnet.raw.sources.listed_images import listed_splits
from ocrnet.raw.sources.split_folders import folder_splits
from ocrnet.raw.sources.split_lists import CURE, find_lists
from ocrnet.raw.sources.split_names import split_named
from ocrnet.raw.sources.unmatched_sides import no_match
from ocrnet.raw.sources.unused_files import leave_lone_label_maps, leave_other_types, leave_unlisted

IMAGE_FOLDERS = ("images", "img_dir")
LABEL_FOLDERS = ("masks", "annotations", "labels", "ann_dir")
INSTANCE_FOLDERS = ("instances",)  # maps that number each object


def find(params: Params, work: Path, inventory: Inventory) -> list[RawItem]:
    """Return the items of a folder of images and a folder of label maps; `work` stays empty.

    Raises:
        DataError: The folders, the stems or the lists do not fit together.
    """
    images = read_side(inventory, IMAGE_FOLDERS)
    label_maps = read_side(inventory, LABEL_FOLDERS, instead=INSTANCE_FOLDERS)
    if not images.files:
        leave_other_types(inventory, images, label_maps)
        raise DataError(f"E114 found no images in {images.folder}/ ({', '.join(EXTENSIONS)}).")
    partners = _partners(images.files, label_maps.files)
    if not partners:
        leave_other_types(inventory, images, label_maps)
        raise DataError(no_match(inventory, images, label_maps))
    names = item_names(images.files)
    splits = _splits(params, inventory, images, label_maps, names)
    leave_unlisted(inventory, images, partners, splits)
    leave_other_types(inventory, images, label_maps)
    leave_lone_label_maps(inventory, label_maps, set(partners.values()))
    numbered = _instance_maps(inventory, images, label_maps) if params.data.things else {}
    items = [
        RawItem(
            id=names[key],
            image=path,
            label_map=partners.get(key),
            split=splits[key],
            group=group_of(names[key], params.data.group_by),
            instances=numbered.get(key),
        )
        for key, path in images.files.items()
        if key in splits
    ]
    inventory.leave_rest(
        f"outside {images.folder.name}/ and {label_maps.folder.name}/",
        keep=[path for item in items for path, _ in item.files],
    )
    return items


def _instance_maps(inventory: Inventory, images: Side, label_maps: Side) -> dict[Key, Path]:
    """Return the map that numbers the objects of each image; empty without such a folder."""
    if label_maps.folder.name.casefold() in INSTANCE_FOLDERS:
        return _partners(images.files, label_maps.files)
    if not folders_named(sorted(inventory.root.iterdir()), INSTANCE_FOLDERS):
        return {}
    return _partners(images.files, read_side(inventory, INSTANCE_FOLDERS).files)


def _partners(images: Mapping[Key, Path], label_maps: Mapping[Key, Path]) -> dict[Key, Path]:
    """Return the label map of each image that has one, with the same key or with another spelling of its split."""
    partners = {key: label_maps[key] for key in images if key in label_maps}
    left: dict[Key, list[Path]] = {}
    for key, path in label_maps.items():
        if key not in images:
            left.setdefault(_plain(key), []).append(path)
    for key in images:
        candidates = left.get(_plain(key), [])
        if key not in partners and len(candidates) == 1:
            partners[key] = candidates[0]
    return partners


def _plain(key: Key) -> Key:
    return (*(split_named(part) or part for part in key[:-1]), key[-1])


def _splits(
    params: Params,
    inventory: Inventory,
    images: Side,
    label_maps: Side,
    names: Mapping[Key, str],
) -> dict[Key, str | None]:
    described = {
        (*side.folder.relative_to(inventory.root).parts, *key)
        for side in (images, label_maps)
        for key in side.files
    }
    lists = find_lists(inventory, described)
    shown_folder = images.folder.name
    if lists is None:
        return folder_splits(inventory, images.files, params, folder=shown_folder)
    folder_names = sorted({key[0] for key in images.files if len(key) > 1 and split_named(key[0])})
    if folder_names and any(path.parent.name != "splits" for path in lists.values()):
        raise DataError(
            f"E126 {inventory.name(lists['train'])} and {shown_folder}/{folder_names[0]}/ both publish a split. "
            f"Remove one of them. Or: {CURE}."
        )
    for path in lists.values():
        inventory.use(path, "lists")
    return dict(listed_splits(inventory, lists, images.files, names, folder=shown_folder))
