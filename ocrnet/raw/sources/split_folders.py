"""Subfolders that publish a split: `images/train`, `images/validation`, at any depth."""

from collections.abc import Mapping
from pathlib import Path

from ocrnet.config import Params
from ocrnet.data.manifest import SPLITS
from ocrnet.errors import DataError
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.sources.missing_splits import CURE, lacking_splits
from ocrnet.raw.sources.split_names import looks_like_split, split_named

Key = tuple[str, ...]  # path below the folder of the images, without the extension


def folder_splits(
    inventory: Inventory, images: Mapping[Key, Path], params: Params, *, folder: str
) -> dict[Key, str | None]:
    """Return the split of each image by its subfolders, or None for all if no subfolder describes a split.

    Args:
        inventory: Inventory of the raw folder.
        images: Path of each image, by its key.
        params: Params with `prepare.missing_splits`.
        folder: Name of the folder of the images.

    Raises:
        DataError: (E126) An image is outside the splits, a split is missing, or a name is unclear.
    """
    spoken = {key: [part for part in key[:-1] if looks_like_split(part)] for key in images}
    names = dict.fromkeys(name for parts in spoken.values() for name in parts)
    if not names:
        return dict.fromkeys(images)
    wanted = f"{folder}/{{{','.join(SPLITS)}}}/"
    unclear = [name for name in names if split_named(name) is None]
    spellings: dict[str, set[str]] = {}
    for name in names:
        spellings.setdefault(split_named(name) or "", set()).add(name)
    twice = [sorted(spelt) for split, spelt in spellings.items() if split and len(spelt) > 1]
    nested = [key for key, parts in spoken.items() if len(parts) > 1]
    found = ", ".join(f"{folder}/{'/'.join(_path_to(name, images))}/" for name in names)
    if unclear or twice or nested:
        raise DataError(
            f"E126 {found}: it is unclear which of train, val and test each of these is. Name the folders {wanted}, "
            f"in {folder}/ and in the folder of the label maps. Or: {CURE}."
        )
    stray = next((path for key, path in images.items() if not spoken[key]), None)
    if stray is not None:
        raise DataError(
            f"E126 {inventory.name(stray)} is not in {wanted}, unlike other images ({found}). Move it there."
        )
    missing = lacking_splits(set(spellings), params)
    if missing:
        raise DataError(
            f"E126 {found}: there are no images of {', '.join(missing)}. Move some into "
            f"{', '.join(f'{folder}/{split}/' for split in missing)} with their label maps. Or: {CURE}."
        )
    return {key: split_named(parts[0]) for key, parts in spoken.items()}


def _path_to(name: str, images: Mapping[Key, Path]) -> Key:
    key = next(key for key in images if name in key[:-1])
    return key[: key.index(name) + 1]
