"""What published sets have in common: names that pair files, numbered labels, and a folder for each split."""

from collections.abc import Callable, Mapping
from pathlib import Path

from ocrnet.config import DataParams, Params
from ocrnet.errors import DataError
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.sources.listed_images import own_splits
from ocrnet.raw.sources.missing_splits import CURE, lacking_splits


def files_by_name(
    inventory: Inventory, suffix: str, name_of: Callable[[str], str | None]
) -> dict[str, Path]:
    """Return the files of one type by their names; two files with one name are a finding.

    Args:
        inventory: Inventory of the raw folder.
        suffix: Extension of the files in lower case, with the dot.
        name_of: Name of a file by its stem; None for a file of another kind.
    """
    found: dict[str, Path] = {}
    for entry in inventory.open_entries():
        name = name_of(Path(entry.parts[-1]).stem)
        if name is None or entry.path.suffix.lower() != suffix:
            continue
        if name in found:
            twins = f"{inventory.name(found[name])} and {inventory.name(entry.path)}"
            inventory.find("E114", f"{twins} have one name. Keep one of them.")
        found.setdefault(name, entry.path)
    return found


def refuse_unnamed_ids(
    data: DataParams, inventory: Inventory, labels: Mapping[str, int], *, ids: str
) -> None:
    """Refuse label maps whose ids `data.label_map` does not name, with the entries for the classes.

    Args:
        data: Params with the classes and the label map.
        inventory: Inventory of the raw folder.
        labels: Id of each label that the set publishes, by its name.
        ids: The ids in words.

    Raises:
        DataError: (E117) `data.label_map` is empty.
    """
    if data.label_map:
        return
    entries = [f'"{value}": {name}' for name, value in labels.items() if name in data.classes]
    unknown = [name for name in data.classes if name not in labels]
    other = f" No label is called {', '.join(unknown)}." if unknown else ""
    raise DataError(
        f"E117 {inventory.root}: the label maps hold {ids}, and data.label_map is empty.{other} Set "
        f"data.label_map: {{{', '.join([*entries, 'other: ignore'])}}}"
    )


def published_splits(
    params: Params,
    inventory: Inventory,
    images: Mapping[str, Path],
    split_of: Callable[[Path], str | None],
) -> dict[str, str | None]:
    """Return the split of each image by the user's lists in `splits/`, else by its folder.

    Args:
        params: Params with `prepare.missing_splits`.
        inventory: Inventory of the raw folder.
        images: Path of each labelled image, by its name.
        split_of: Split of an image by its path; None if its folder means none.

    Raises:
        DataError: (E126) An image is in no folder of a split, or a split is missing.
    """
    keys = {
        path.relative_to(inventory.root).with_suffix("").parts: name
        for name, path in images.items()
    }
    own = own_splits(inventory, {key: images[name] for key, name in keys.items()}, keys)
    if own is not None:
        return {keys[key]: split for key, split in own.items()}
    splits = {name: split_of(path) for name, path in images.items()}
    lacking = lacking_splits(set(splits.values()), params)
    stray = next((name for name, split in splits.items() if split is None), None)
    if stray is not None or lacking:
        found = (
            f"{inventory.name(images[stray])} is in no folder of a split"
            if stray is not None
            else f"the folders publish no labelled images of {', '.join(lacking)}"
        )
        raise DataError(f"E126 {inventory.root}: {found}. {CURE}.")
    return splits
