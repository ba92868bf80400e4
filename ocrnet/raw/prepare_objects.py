"""The canonical instance map of an image: from the source's own map, else the connected components."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ocrnet.config import Params
from ocrnet.data.instance_maps import INSTANCES, resize_instances, write_instances
from ocrnet.data.manifest import file_sha256
from ocrnet.errors import DataError
from ocrnet.objects.object_map import ObjectMap, components, instances
from ocrnet.raw.scan_instances import read_numbers, without_groups


def read_objects(
    raw: Mapping[Any, Any],
    label_map: npt.NDArray[np.uint8],
    params: Params,
    *,
    root: Path,
) -> tuple[ObjectMap, npt.NDArray[np.uint8]]:
    """Return the objects of an image, and its label map, in which groups of objects are ignored.

    Args:
        raw: Row of the scan.
        label_map: Canonical label map (H, W) of the image.
        params: Params that name the thing classes.
        root: Folder that the row's path of the instance map is relative to.

    Raises:
        DataError: The file changed since the scan.
    """
    data = params.data
    things = [i for i, name in enumerate(data.classes) if name in data.things]
    if pd.isna(raw["instances"]):
        return components(label_map, things), label_map
    path = root / raw["instances"]
    if file_sha256(path) != raw["instances_sha256"]:
        raise DataError(f"{path}: the file changed since the scan. Run `dvc repro` again.")
    numbers = read_numbers(path, data)
    if numbers.shape != label_map.shape:
        numbers = resize_instances(numbers, label_map.shape)
    shown = without_groups(label_map, numbers, data)
    return instances(numbers, shown, things), shown


def write_objects(raw: Mapping[Any, Any], objects: ObjectMap, *, out: Path) -> dict[str, str]:
    """Write the instance map of an image, and return its columns of the manifest.

    Args:
        raw: Row of the scan.
        objects: Objects of the image.
        out: Folder of the prepared set.

    Raises:
        DataError: There are too many objects.
    """
    path = f"{INSTANCES}/{raw['id']}.png"
    write_instances(out / path, objects.numbers)
    return {"instances": path, "instances_sha256": file_sha256(out / path)}
