"""A folder of images and a folder of label maps with the same stems.

`images/` (or `img_dir/`) and `masks/` (or `annotations/`, `labels/`, `ann_dir/`; without these, `instances/`), any
image type, any case of the extension, subfolders allowed on both sides. The split comes from lists such as
`splits/{train,val,test}.txt`, or from subfolders such as `images/{train,val,test}`; without either, `prepare` draws
one by group. `split_lists` and `split_folders` define what counts as a split.

With `data.things`, `instances/` also gives the objects, beside the label maps or as the label maps themselves.
"""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ocrnet.config import Params
from ocrnet.data.headers import EXTENSIONS
from ocrnet.errors import DataError
from ocrnet.raw.groups import group_of
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.sources import RawItem
from ocrnet.raw.sources.item_names import Key, item_names
from ocrnet.raw.sources.listed_images import listed_splits
from ocrnet.raw.sources.split_folders import folder_splits
from ocrnet.raw.sources.split_lists import CURE, find_lists
from ocrnet.raw.sources.split_names import split_named
from ocrnet.raw.tree import Entry

IMAGE_FOLDERS = ("images", "img_dir")
LABEL_FOLDERS = ("masks", "annotations", "labels", "ann_dir")
TEXT = frozenset({".txt", ".md", ".json", ".xml", ".csv", ".tsv", ".yaml", ".yml", ".log", ".html"})
INSTANCE_FOLDERS = ("instances",)  # maps that number each object
NAMED = 5  # files in a finding; the summary names all
NO_SUFFIX = "(no extension)"

logger = logging.getLogger(__name__)


@dataclass
class _Side:
    """The content of one of the two folders: the files that are read, by their keys, and those of other types."""

    folder: Path
    files: dict[Key, Path] = field(default_factory=dict)
    others: dict[Key, list[Path]] = field(default_factory=dict)


def find(params: Params, work: Path, inventory: Inventory) -> list[RawItem]:
    """Return the items of a folder of images and a folder of label maps; `work` stays empty.

    Raises:
        DataError: The folders, the stems or the lists do not fit together.
    """
    images = _side(inventory, IMAGE_FOLDERS)
    label_maps = _side(inventory, LABEL_FOLDERS, instead=INSTANCE_FOLDERS)
    if not images.files:
        _tell_other_types(inventory, images, label_maps)
        raise DataError(f"E114 found no images in {images.folder}/ ({', '.join(EXTENSIONS)}).")
    partners = _partners(images.files, label_maps.files)
    if not partners:
        _tell_other_types(inventory, images, label_maps)
        raise DataError(_no_match(inventory, images, label_maps))
    names = item_names(images.files)
    splits = _splits(params, inventory, images, label_maps, names)
    _leave_unlisted(inventory, images, partners, splits)
    _tell_other_types(inventory, images, label_maps)
    _leave_lone_label_maps(inventory, label_maps, set(partners.values()))
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


def _instance_maps(inventory: Inventory, images: _Side, label_maps: _Side) -> dict[Key, Path]:
    """Return the map that numbers the objects of each image; empty without such a folder."""
    if label_maps.folder.name.casefold() in INSTANCE_FOLDERS:
        return _partners(images.files, label_maps.files)
    if not _named(sorted(inventory.root.iterdir()), INSTANCE_FOLDERS):
        return {}
    return _partners(images.files, _side(inventory, INSTANCE_FOLDERS).files)


def _side(inventory: Inventory, names: tuple[str, ...], *, instead: tuple[str, ...] = ()) -> _Side:
    """Return the content of the folder with one of these names, in any case.

    Args:
        inventory: Inventory of the raw folder.
        names: Names of the folder.
        instead: Names of the folder where none of `names` is there.

    Raises:
        DataError: (E114) There is no such folder, or two of them contain images.
    """
    root = inventory.root
    there = sorted(path for path in root.iterdir()) if root.is_dir() else []
    found = _named(there, names) or _named(there, instead)
    if not found:
        names += instead
        shown_names = [inventory.name(path) for path in there]
        raise DataError(
            f"E114 {root}: none of {', '.join(name + '/' for name in names)} is there (found: "
            f"{', '.join(shown_names[:8]) or 'nothing'}). Name the folder that contains them (data.path)."
        )
    for path in found:
        inventory.refuse_linked_folders(path)
    full = [path for path in found if any(map(_is_read, inventory.open_entries(under=path)))]
    if len(full) > 1:
        raise DataError(
            f"E114 {' and '.join(f'{path.name}/' for path in full)} contain images, but only one folder is read. Move "
            "all files into one of them, or the other folders out of data.path."
        )
    return _fill(inventory, _Side(full[0] if full else found[0]))


def _named(paths: list[Path], names: tuple[str, ...]) -> list[Path]:
    """Return the folders with one of these names, in any case."""
    return [
        path for name in names for path in paths if path.name.casefold() == name and path.is_dir()
    ]


def _fill(inventory: Inventory, side: _Side) -> _Side:
    depth = len(side.folder.parts) - len(inventory.root.parts)
    for entry in inventory.open_entries(under=side.folder):
        parts = entry.parts[depth:]
        key = (*parts[:-1], Path(parts[-1]).stem)
        if not _is_read(entry):
            side.others.setdefault(key, []).append(entry.path)
        elif key in side.files:
            _refuse_twin(inventory, side.files[key], entry.path)
        else:
            side.files[key] = entry.path
    return side


def _is_read(entry: Entry) -> bool:
    return entry.path.suffix.lower() in EXTENSIONS


def _refuse_twin(inventory: Inventory, first: Path, second: Path) -> None:
    one, other = inventory.name(first), inventory.name(second)
    if first.with_suffix("") == second.with_suffix(""):
        inventory.find("E114", f"{one} and {other} have the same stem. Keep one of them.")
    else:
        inventory.find(
            "E114",
            f"{one} ({one!a}) and {other} ({other!a}) differ by Unicode normalisation alone, "
            "so other systems treat them as one file. Keep or rename one of them.",
        )
    inventory.leave(second, "another file has its stem")


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
    images: _Side,
    label_maps: _Side,
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


def _leave_unlisted(
    inventory: Inventory,
    images: _Side,
    partners: Mapping[Key, Path],
    splits: Mapping[Key, str | None],
) -> None:
    unlisted = [key for key in images.files if key not in splits]
    for key in unlisted:
        inventory.leave(images.files[key], "in no list of the split")
        if key in partners:
            inventory.leave(
                partners[key], "the label map of an image that is in no list of the split"
            )
    if unlisted:
        logger.warning("%d images are in no list and are left out", len(unlisted))


def _tell_other_types(inventory: Inventory, images: _Side, label_maps: _Side) -> None:
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


def _leave_lone_label_maps(inventory: Inventory, label_maps: _Side, taken: set[Path]) -> None:
    lone = [path for path in label_maps.files.values() if path not in taken]
    for path in lone:
        inventory.leave(path, "a label map without an image that is read")
    if lone:
        logger.warning(
            "%d masks have no image that is read: %s ...", len(lone), inventory.name(lone[0])
        )


def _no_match(inventory: Inventory, images: _Side, label_maps: _Side) -> str:
    suffixes = Counter(path.suffix for path in images.files.values())
    kinds = ", ".join(suffix for suffix, _ in suffixes.most_common(3))
    place = label_maps.folder.name
    found = f"E114 found {len(images.files)} images ({kinds}) and {len(label_maps.files)} masks in {place}/"
    stems = {key[-1]: key for key in images.files}
    for key, path in label_maps.files.items():
        if key[-1] in stems:
            image = images.files[stems[key[-1]]]
            folders = "/".join([place, *stems[key[-1]][:-1]])
            return (
                f"{found}, but no mask is in the subfolder of its image (image {inventory.name(image)}, mask "
                f"{inventory.name(path)}). Move each mask into the subfolder of its image: this one into {folders}/."
            )
    if label_maps.files:
        mine, theirs = next(iter(images.files))[-1], next(iter(label_maps.files))[-1]
        found += (
            f", but no mask has the stem of an image (image {mine!r}, mask {theirs!r}; data.source: by_name allows "
            "endings such as _mask)"
        )
    others = Counter(
        entry.path.parent
        for entry in inventory.open_entries()
        if _is_read(entry) and Path(entry.parts[-1]).stem in stems
    )
    near = [
        (folder, count)
        for folder, count in others.most_common()
        if not folder.is_relative_to(images.folder) and not folder.is_relative_to(label_maps.folder)
    ]
    if not near:
        return f"{found}. No other folder under {inventory.root} has matching stems; give both the same stem."
    folder, count = near[0]
    return f"{found}. {inventory.name(folder)}/ has {count} files with matching stems; move them to {place}/."
