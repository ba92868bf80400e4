"""The objects of pairs whose pixels are partly ignored.

As in a prepared set, an ignored pixel belongs to no object: one that is ignored whole is gone.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt16

from ocrnet.data.instance_maps import INSTANCES, read_instances, renumber, write_instances
from ocrnet.data.manifest import file_sha256


def pair_objects(folder: Path, row: Mapping[Any, Any]) -> UInt16[np.ndarray, "H W"] | None:
    """Return the instance map of a row of a manifest; None if it has none."""
    path = row.get(INSTANCES)
    return read_instances(folder / path) if path else None


def mostly_rejected(
    numbers: UInt16[np.ndarray, "H W"], wrong: Bool[np.ndarray, "H W"], *, most: float
) -> Bool[np.ndarray, "H W"]:
    """Return the pixels of the objects that lose more than a share of their pixels.

    Args:
        numbers: Number of the object at each pixel; 0 is none.
        wrong: Rejected pixels.
        most: Largest share of its pixels that an object may lose, in [0, 1].
    """
    count = int(numbers.max(initial=0)) + 1
    areas = np.bincount(numbers.ravel(), minlength=count)
    lost = np.bincount(numbers[wrong], minlength=count)
    dropped = lost > most * areas
    dropped[0] = False
    return np.asarray(dropped[numbers])


def write_visible(
    folder: Path,
    name: str,
    numbers: UInt16[np.ndarray, "H W"],
    ignored: Bool[np.ndarray, "H W"],
) -> dict[str, str]:
    """Write an instance map without the ignored pixels, and return its columns of the manifest.

    Args:
        folder: Folder of the manifest.
        name: Id of the image.
        numbers: Number of the object at each pixel.
        ignored: Pixels that the label map ignores.
    """
    path = f"{INSTANCES}/{name}.png"
    (folder / INSTANCES).mkdir(exist_ok=True)
    write_instances(folder / path, renumber(np.where(ignored, 0, numbers)))
    return {INSTANCES: path, f"{INSTANCES}_sha256": file_sha256(folder / path)}
