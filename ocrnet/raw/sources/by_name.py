"""Images and label maps that are told apart by words in their paths, in any order and depth of folders.

A folder called after label maps, or an ending of the stem such as `_mask`, makes a file a label map. Without these
words, an image and its label map have the same path: `train/images/a.jpg` and `train/masks/a.png`, `a_image.png` and
`a_mask.png`, `photos/a.jpg` and `a_label.png`. Folders called after splits publish a split.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ocrnet.config import Params
from ocrnet.data.headers import EXTENSIONS
from ocrnet.errors import DataError
from ocrnet.raw.groups import group_of
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.sources import RawItem
from ocrnet.raw.sources.item_names import Key, item_names
from ocrnet.raw.sources.listed_images import own_splits
from ocrnet.raw.sources.missing_splits import CURE, lacking_splits
from ocrnet.raw.sources.split_names import split_named

IMAGE_FOLDERS = frozenset({"images", "image", "imgs", "img", "img_dir", "photos", "jpegimages"})
LABEL_FOLDERS = frozenset(
    {
        "masks", "mask", "annotations", "annotation", "labels", "label", "ann_dir", "label_maps", "labelmaps",
        "groundtruth", "ground_truth", "gt", "segmentation", "segmentations", "segmentationclass", "instances",
    }
)  # fmt: skip
IMAGE_ENDINGS = ("image", "img", "rgb", "sat", "photo")
LABEL_ENDINGS = (
    "mask", "masks", "label", "labels", "labelmap", "seg", "segmentation", "gt", "groundtruth", "annotation", "anno",
    "lbl",
)  # fmt: skip
SEPARATORS = "_-."


def find(params: Params, work: Path, inventory: Inventory) -> list[RawItem]:
    """Return the images that have a label map, and those that lack one beside others; `work` stays empty.

    Raises:
        DataError: No image has a label map, or splits are unclear.
    """
    images, label_maps = _sides(inventory)
    if not images.keys() & label_maps.keys():
        raise DataError(_no_match(inventory, images, label_maps))
    names = item_names(images)
    splits = _splits(params, inventory, images, names)
    items = [
        RawItem(
            names[key], path, label_maps.get(key), splits[key], group_of(names[key], params.data.group_by)
        )
        for key, path in images.items()
        if key in splits
    ]  # fmt: skip
    for key, path in images.items():
        if key not in splits:
            inventory.leave(path, "in no list of the split")
    used = [path for item in items for path in (item.image, item.label_map)]
    inventory.leave_rest("no image, and no label map of one", keep=used)
    return items


def is_label_map(parts: Sequence[str]) -> bool:
    """Return whether the words of a path below the raw folder are those of a label map."""
    return _told_kind(parts)[1]


def key_of(parts: Sequence[str]) -> Key:
    """Return a path below the raw folder without the words for image and label map, and without the extension."""
    return _told_kind(parts)[0]


def _told_kind(parts: Sequence[str]) -> tuple[Key, bool]:
    folders, stem = parts[:-1], Path(parts[-1]).stem
    kept = tuple(part for part in folders if part.casefold() not in IMAGE_FOLDERS | LABEL_FOLDERS)
    bare = _without_ending(stem, LABEL_ENDINGS)
    is_label = bare != stem or any(part.casefold() in LABEL_FOLDERS for part in folders)
    return (*kept, bare if bare != stem else _without_ending(stem, IMAGE_ENDINGS)), is_label


def _without_ending(stem: str, endings: Sequence[str]) -> str:
    folded = stem.casefold()
    for ending in endings:
        cut = len(stem) - len(ending) - 1
        if cut > 0 and folded.endswith(ending) and stem[cut] in SEPARATORS:
            return stem[:cut]
    return stem


def _sides(inventory: Inventory) -> tuple[dict[Key, Path], dict[Key, Path]]:
    """Return the images and the label maps by their keys; two files with one key are a finding."""
    sides: tuple[dict[Key, Path], dict[Key, Path]] = ({}, {})
    for entry in inventory.open_entries():
        if entry.path.suffix.lower() not in EXTENSIONS:
            continue
        key, is_label = _told_kind(entry.parts)
        first = sides[is_label].setdefault(key, entry.path)
        if first != entry.path:
            word = "label map" if is_label else "image"
            inventory.find(
                "E114",
                f"{inventory.name(first)} and {inventory.name(entry.path)} are both the {word} "
                f"{'/'.join(key)!r}. Keep one of them, or rename one.",
            )
            inventory.leave(entry.path, "another file has its name")
    return sides


def _splits(
    params: Params, inventory: Inventory, images: Mapping[Key, Path], names: Mapping[Key, str]
) -> dict[Key, str | None]:
    """Return the split of each image by lists in `splits/`, else by its folders; None for all without either."""
    paths = {path.relative_to(inventory.root).with_suffix("").parts: key for key, path in images.items()}  # fmt: skip
    own = own_splits(
        inventory, {parts: images[key] for parts, key in paths.items()},
        {parts: names[key] for parts, key in paths.items()},
    )  # fmt: skip
    if own is not None:
        return {paths[parts]: split for parts, split in own.items()}
    splits = {key: _split_of(key[:-1]) for key in images}
    if not any(splits.values()):
        return dict.fromkeys(images)
    lacking = lacking_splits(set(splits.values()), params)
    stray = next((path for key, path in images.items() if splits[key] is None), None)
    if stray is not None or lacking:
        found = (
            f"{inventory.name(stray)} is in none" if stray else f"{', '.join(lacking)} is missing"
        )
        raise DataError(
            f"E126 {inventory.root}: folders publish a split into train, val and test, but {found}. {CURE}."
        )
    return dict(splits)


def _split_of(folders: Sequence[str]) -> str | None:
    named = {split_named(part) for part in folders} - {None}
    return named.pop() if len(named) == 1 else None


def _no_match(
    inventory: Inventory, images: Mapping[Key, Path], label_maps: Mapping[Key, Path]
) -> str:
    found = f"E114 {inventory.root}: found {len(images)} images and {len(label_maps)} label maps"
    if not images or not label_maps:
        endings = ", ".join(f"_{ending}" for ending in LABEL_ENDINGS[:4])
        return (
            f"{found}. Put label maps into a folder such as masks/ or labels/, or let their names end with one of "
            f"{endings}."
        )
    one, other = next(iter(images.values())), next(iter(label_maps.values()))
    return (
        f"{found}, but no two have one name ({inventory.name(one)}, {inventory.name(other)}). Give each label map the "
        "name of its image."
    )
