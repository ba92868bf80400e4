"""The images that the lists of a published split name."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ocrnet.data.manifest import SPLITS
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.sources.split_lists import find_lists, read_lines
from ocrnet.raw.tree import shown

Key = tuple[str, ...]  # path below the folder of the images, without the extension


def own_splits(
    inventory: Inventory, images: Mapping[Key, Path], names: Mapping[Key, str]
) -> dict[Key, str] | None:
    """Return the split of each image by the lists in `splits/`, which the user wrote; None without such lists.

    Args:
        inventory: Inventory of the raw folder, which receives the findings and the use of the lists.
        images: Path of each image, by its path below the raw folder without the extension.
        names: Id of each image.

    Raises:
        DataError: A list is missing or unclear, or is not text in a known encoding.
    """
    if not any(entry.parts[0] == "splits" for entry in inventory.open_entries()):
        return None
    lists = find_lists(inventory, set(images))
    if lists is None:
        return None
    for path in lists.values():
        inventory.use(path, "lists")
    return listed_splits(inventory, lists, images, names, folder=inventory.root.name)


def listed_splits(
    inventory: Inventory,
    lists: Mapping[str, Path],
    images: Mapping[Key, Path],
    names: Mapping[Key, str],
    *,
    folder: str,
) -> dict[Key, str]:
    """Return the split of each image that a list names; wrong lines become findings.

    Args:
        inventory: Inventory of the raw folder, which receives the findings.
        lists: File of each split.
        images: Path of each image, by its key.
        names: Id of each image.
        folder: Name of the folder of the images.

    Raises:
        DataError: (E114) A list is not text in a known encoding.
    """
    known = _spellings(images, names, folder=folder)
    splits: dict[Key, str] = {}
    for split in (one for one in SPLITS if one in lists):
        name = inventory.name(lists[split])
        for number, line in read_lines(lists[split], name=name):
            place = f"{name} line {number}"
            keys = known.get(line) or known.get(line.replace("\\", "/").removeprefix("./")) or []
            if not keys:
                example = next(iter(names.values()))
                inventory.find(
                    "E114",
                    f"{place}: no image has the stem {_quoted(line)}. Name an image, such as {_quoted(example)}.",
                )
            elif len(keys) > 1:
                there = " and ".join(inventory.name(images[key]) for key in keys[:2])
                inventory.find(
                    "E114", f"{place}: {_quoted(line)} may mean {there}. Write the whole path."
                )
            elif keys[0] in splits:
                inventory.find(
                    "E113",
                    f"{place}: {_quoted(line)} is already in {splits[keys[0]]}. List each stem once.",
                )
            else:
                splits[keys[0]] = split
    return splits


def _spellings(
    images: Mapping[Key, Path], names: Mapping[Key, str], *, folder: str
) -> dict[str, list[Key]]:
    """Return for each possible line the images that it may mean.

    A line is an id, a path below the folder of the images or below the raw folder, or a file name, each with or
    without the extension.
    """
    known: dict[str, list[Key]] = {}
    for key, path in images.items():
        plain = PurePosixPath(*key)
        full = plain.with_name(plain.name + path.suffix)
        spelt = {str(plain), str(full), plain.name, full.name, names[key], names[key] + path.suffix}
        for line in spelt | {f"{folder}/{plain}", f"{folder}/{full}"}:
            known.setdefault(line, []).append(key)
    return known


def _quoted(line: str) -> str:
    return f"'{shown(line)}'"
