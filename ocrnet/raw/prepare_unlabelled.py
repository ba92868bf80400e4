"""The unlabelled images of a prepared set: canonical images and their manifest, and no label map."""

from pathlib import Path
from typing import Any

import pandas as pd

from ocrnet.config import Params
from ocrnet.data.decode import write_image
from ocrnet.data.manifest import file_sha256
from ocrnet.data.unlabelled import FOLDER, write_unlabelled_manifest
from ocrnet.raw.canonical import check_unchanged, decode_image
from ocrnet.raw.unlabelled import without_copies


def prepare_unlabelled(
    table: pd.DataFrame, train: pd.DataFrame, params: Params, *, out: Path
) -> int:
    """Write the images and their manifest below a prepared set; nothing if there are none.

    Args:
        table: Scan of the images, with the folder of each as `root` and its `origin`.
        train: Scan of the labelled training images, whose copies are left out.
        params: Params that define how images are read and resized.
        out: Folder of the prepared set.

    Returns:
        Number of images that are left out as copies.

    Raises:
        DataError: A file changed since the scan.
    """
    kept = without_copies(table.sort_values("id"), train)
    if kept.empty:
        return len(table)
    (out / FOLDER / "images").mkdir(parents=True, exist_ok=True)
    rows = [_write_image(raw, params, out / FOLDER) for raw in kept.to_dict("records")]
    write_unlabelled_manifest(out, pd.DataFrame(rows))
    return len(table) - len(kept)


def _write_image(raw: dict[Any, Any], params: Params, folder: Path) -> dict[str, Any]:
    path = Path(raw["root"], raw["image"])
    check_unchanged(path, raw["image_sha256"])
    image = decode_image(path, params)
    name = f"images/{raw['id']}.png"
    write_image(folder / name, image)
    return {
        "id": raw["id"],
        "group": raw["group"],
        "image": name,
        "height": image.shape[0],
        "width": image.shape[1],
        "origin": raw["origin"],
        "image_sha256": file_sha256(folder / name),
        "raw_image": raw["image"],
    }
