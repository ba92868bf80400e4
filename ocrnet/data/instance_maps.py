"""Instance maps and thing classes of a prepared set.

An instance map numbers the objects of the thing classes (`data.things`) from 1; 0 is no object. The class of an object
is that of its pixels in the label map. The file is a gray PNG of 16 bits, so an image has at most 65535 objects.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from jaxtyping import Integer, UInt16
from PIL import Image

from ocrnet.data.decode import read_raw_label_map
from ocrnet.data.manifest import ClassTable
from ocrnet.errors import DataError

THINGS_FILE = "things.json"
INSTANCES = "instances"  # folder of the instance maps, and their column in the manifest
MAX_OBJECTS = 65535
INSTANCE_COLUMNS = ("instances", "instances_sha256")


def write_things(folder: Path, names: Sequence[str]) -> None:
    """Write the names of the thing classes, in the order of class ids, into `folder`."""
    (folder / THINGS_FILE).write_text(json.dumps({"things": list(names)}, indent=1) + "\n")


def read_things(folder: Path) -> tuple[str, ...]:
    """Return the names of the thing classes of a prepared set; empty if none were asked for."""
    path = folder / THINGS_FILE
    if not path.exists():
        return ()
    return tuple(str(name) for name in json.loads(path.read_text())["things"])


def thing_ids(classes: ClassTable, names: Sequence[str]) -> tuple[int, ...]:
    """Return the ids of the thing classes, in the order of class ids."""
    return tuple(i for i, name in enumerate(classes.class_names) if name in names)


def write_instances(path: Path, numbers: Integer[np.ndarray, "H W"]) -> None:
    """Write an instance map as a gray PNG of 16 bits.

    Raises:
        DataError: A number is above 65535.
    """
    if numbers.size and int(numbers.max()) > MAX_OBJECTS:
        raise DataError(
            f"E141 {path}: found {int(numbers.max())} objects, allowed are {MAX_OBJECTS} in an image. Cut the image "
            "into tiles."
        )
    Image.fromarray(numbers.astype(np.uint16)).save(path, format="PNG")


def read_instances(path: Path) -> UInt16[np.ndarray, "H W"]:
    """Read an instance map that `write_instances` wrote.

    Raises:
        DataError: The file cannot be read whole or has other values.
    """
    raw = read_raw_label_map(path)
    if raw.ndim != 2 or raw.dtype != np.uint16:
        raise DataError(f"{path}: the file is no instance map. Use the files that prepare wrote.")
    return raw


def show_objects(folder: Path, names: Sequence[str]) -> bool:
    """Return whether one of some instance maps below a folder shows an object; the first that does ends the search."""
    return any(read_instances(folder / name).any() for name in names)


def renumber(numbers: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
    """Return an instance map (H, W) whose objects have the numbers 1, 2, ..., in the order of their old numbers."""
    _, inverse = np.unique(np.concatenate([[0], numbers.ravel()]), return_inverse=True)
    return inverse[1:].astype(np.int32).reshape(numbers.shape)


def resize_instances(
    numbers: Integer[np.ndarray, "H W"], size: Sequence[int]
) -> Integer[np.ndarray, "h w"]:
    """Resize an instance map to (height, width), with the pixels that `resize_label_map` takes of a label map."""
    height, width = size
    picture = Image.fromarray(numbers.astype(np.int32))
    return np.array(picture.resize((width, height), Image.Resampling.NEAREST))
