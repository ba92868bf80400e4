"""The images of `data.unlabelled`: every file of a readable type in that folder and below it."""

from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ocrnet.config import DataParams
from ocrnet.data.headers import EXTENSIONS
from ocrnet.raw.groups import group_of
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.sources.item_names import item_names
from ocrnet.raw.tree import shown

ROLE = "unlabelled images"


class UnlabelledFile(NamedTuple):
    """An image without a label map: its id, its path and its group by `data.group_by`."""

    id: str
    path: Path
    group: str


def find_unlabelled(data: DataParams, inventory: Inventory) -> list[UnlabelledFile]:
    """Return the images of `data.unlabelled` and report the use of each file there, so that no source reads it.

    An id starts with the name of the folder, so that it differs from those of labelled images with equal stems; the
    group is found in the id without it.

    Args:
        data: Params of the data.
        inventory: Inventory of `data.path`, which receives the findings and the use of the files.

    Raises:
        DataError: `data.group_by` finds no group in an id.
    """
    if data.unlabelled is None:
        return []
    parts = PurePosixPath(data.unlabelled).parts
    folder = inventory.root.joinpath(*parts)
    inventory.refuse_linked_folders(folder)
    files = {}
    for entry in inventory.open_entries(under=folder):
        suffix = entry.path.suffix.lower()
        if suffix in EXTENSIONS:
            # The extension stays a part of the key: a.png and a.jpg are two images.
            files[entry.parts[len(parts) :]] = entry.path
            inventory.use(entry.path, ROLE)
        else:
            inventory.leave(entry.path, "in data.unlabelled, and of a type that is not read")
    if not files:
        inventory.find(
            "E114",
            f"data.unlabelled: found no images in {shown(data.unlabelled)}/ of data.path ({', '.join(EXTENSIONS)}). "
            "Put images there, or leave data.unlabelled empty.",
        )
    stems = {key: (*key[:-1], Path(key[-1]).stem) for key in files}
    repeated = len(set(stems.values())) < len(stems)
    keys = {
        key: (*key[:-1], key[-1].replace(".", "-")) if repeated else stems[key] for key in files
    }
    names = item_names(keys.values())
    return [
        UnlabelledFile(
            "-".join([*parts, names[keys[key]]]), path, group_of(names[keys[key]], data.group_by)
        )
        for key, path in files.items()
    ]
