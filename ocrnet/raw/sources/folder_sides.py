"""The two sides of a `folder` source, images and label maps: the folder of each and the files in it, by their keys."""

from dataclasses import dataclass, field
from pathlib import Path

from ocrnet.data.headers import EXTENSIONS
from ocrnet.errors import DataError
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.sources.item_names import Key
from ocrnet.raw.tree import Entry


@dataclass
class Side:
    """The content of one of the two folders: the files that are read, by their keys, and those of other types."""

    folder: Path
    files: dict[Key, Path] = field(default_factory=dict)
    others: dict[Key, list[Path]] = field(default_factory=dict)


def read_side(
    inventory: Inventory, names: tuple[str, ...], *, instead: tuple[str, ...] = ()
) -> Side:
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
    found = folders_named(there, names) or folders_named(there, instead)
    if not found:
        names += instead
        shown_names = [inventory.name(path) for path in there]
        raise DataError(
            f"E114 {root}: none of {', '.join(name + '/' for name in names)} is there (found: "
            f"{', '.join(shown_names[:8]) or 'nothing'}). Name the folder that contains them (data.path)."
        )
    for path in found:
        inventory.refuse_linked_folders(path)
    full = [path for path in found if any(map(is_read, inventory.open_entries(under=path)))]
    if len(full) > 1:
        raise DataError(
            f"E114 {' and '.join(f'{path.name}/' for path in full)} contain images, but only one folder is read. Move "
            "all files into one of them, or the other folders out of data.path."
        )
    return _fill(inventory, Side(full[0] if full else found[0]))


def folders_named(paths: list[Path], names: tuple[str, ...]) -> list[Path]:
    """Return the folders with one of these names, in any case."""
    return [
        path for name in names for path in paths if path.name.casefold() == name and path.is_dir()
    ]


def _fill(inventory: Inventory, side: Side) -> Side:
    depth = len(side.folder.parts) - len(inventory.root.parts)
    for entry in inventory.open_entries(under=side.folder):
        parts = entry.parts[depth:]
        key = (*parts[:-1], Path(parts[-1]).stem)
        if not is_read(entry):
            side.others.setdefault(key, []).append(entry.path)
        elif key in side.files:
            _refuse_twin(inventory, side.files[key], entry.path)
        else:
            side.files[key] = entry.path
    return side


def is_read(entry: Entry) -> bool:
    """Return whether a file has a type that is read."""
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
