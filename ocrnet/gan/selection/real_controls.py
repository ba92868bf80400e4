"""Control pairs of real images: what sampling weights, and an ignored rim around objects, are worth alone.

The filter rejects pixels mostly at the borders of classes, where labels are doubtful. So the arm `gan` also trains
without a rim, and `real_rim` shows what that alone does to real images. The rim is as wide as it must be for the real
images to lose the share of their pixels that the kept GAN pairs lost to the filter.
"""

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int64, UInt8
from scipy import ndimage

from ocrnet.data.decode import read_label_map, write_label_map
from ocrnet.data.instance_maps import INSTANCES
from ocrnet.data.manifest import (
    ClassTable,
    count_pixels,
    file_sha256,
    read_manifest,
    write_manifest,
)
from ocrnet.gan.selection.kept_objects import pair_objects, write_visible
from ocrnet.gan.selection.kept_pairs import sampling_weights
from ocrnet.gan.selection.pixel_filter import Threshold, hardness

WIDEST = 32  # pixels
TWICE, RIM = "real_twice", "real_rim"  # folders below that of the selection
PATHS = ("image", "label_map", INSTANCES)  # columns of the manifest


def write_real_controls(
    prepared: Path, out: Path, thresholds: Sequence[Threshold], *, rejected_share: float
) -> dict[str, float]:
    """Write the real training images as pairs with sampling weights, once whole and once without a rim.

    Args:
        prepared: Folder of the real data.
        out: Folder of the selection; the pairs go into `real_twice` and `real_rim` below it.
        thresholds: Threshold of each class, whose mean losses give the hardness of a label map.
        rejected_share: Share of the kept GAN pairs' pixels that the filter set to ignore, in [0, 1].

    Returns:
        select/real_rim_width: width of the rim in pixels.
        select/real_rim_share: share of the real pixels in it.
    """
    classes = ClassTable.read(prepared)
    table = read_manifest(prepared, split="train")
    paths = [prepared / path for path in table["label_map"]]
    hardnesses = [round(hardness(read_label_map(path), list(thresholds)), 6) for path in paths]
    table["weight"] = sampling_weights(np.array(hardnesses))
    _write(_moved(table, prepared, out / TWICE), out / TWICE, classes)

    shares = rim_shares(map(read_label_map, paths), ignore_index=classes.ignore_index)
    width = int(np.argmin(np.abs(shares - rejected_share)))
    shutil.rmtree(out / RIM, ignore_errors=True)
    (out / RIM / "label_maps").mkdir(parents=True)
    rows = [
        _write_rim(
            out / RIM, {str(name): value for name, value in row.items()}, path, width, classes
        )
        for row, path in zip(
            _moved(table, prepared, out / RIM).to_dict("records"), paths, strict=True
        )
    ]
    _write(pd.DataFrame(rows), out / RIM, classes)
    return {"select/real_rim_width": float(width), "select/real_rim_share": float(shares[width])}


def _write_rim(
    folder: Path, row: dict[str, Any], path: Path, width: int, classes: ClassTable
) -> dict[str, Any]:
    """Write a label map without its rim, and its instance map if it has one, and return the row of the manifest."""
    name, ignore_index = f"label_maps/{row['id']}.png", classes.ignore_index
    left = without_rim(read_label_map(path), width, ignore_index=ignore_index)
    write_label_map(folder / name, left, palette=classes.palette, ignore_index=ignore_index)
    numbers = pair_objects(folder, row)
    visible = (
        {} if numbers is None else write_visible(folder, row["id"], numbers, left == ignore_index)
    )
    return {
        **row,
        **count_pixels(left, classes.class_names, ignore_index=ignore_index),
        "label_map": name,
        "label_map_sha256": file_sha256(folder / name),
        **visible,
    }


def rim_shares(
    label_maps: Iterable[UInt8[np.ndarray, "_H _W"]], *, ignore_index: int
) -> Float[np.ndarray, " W"]:
    """Return the share of the valid pixels in a rim of each width from 0 to `WIDEST` pixels."""
    counts = np.zeros(WIDEST + 2, dtype=np.int64)
    for label_map in label_maps:
        distances = border_distances(label_map, ignore_index=ignore_index)
        valid = distances[label_map != ignore_index]
        counts += np.bincount(np.minimum(valid, WIDEST + 1), minlength=WIDEST + 2)
    return np.asarray(np.cumsum(counts[:-1]) / max(int(counts.sum()), 1))


def without_rim(
    label_map: UInt8[np.ndarray, "H W"], width: int, *, ignore_index: int
) -> UInt8[np.ndarray, "H W"]:
    """Return a label map in which pixels nearer to another class than a width in pixels are ignored."""
    rim = border_distances(label_map, ignore_index=ignore_index) <= width
    return np.where(rim, np.uint8(ignore_index), label_map)


def border_distances(
    label_map: UInt8[np.ndarray, "H W"], *, ignore_index: int
) -> Int64[np.ndarray, "H W"]:
    """Return the distance of each pixel from the nearest border between two classes, in pixels rounded up, 1 at it.

    Ignored pixels are no class: there is no border to them. Without a border all distances are `WIDEST` + 1.
    """
    at_border = _at_border(label_map, ignore_index)
    if not at_border.any():
        return np.full(label_map.shape, WIDEST + 1, dtype=np.int64)
    far = ndimage.distance_transform_edt(~at_border)
    return np.asarray(np.ceil(far).astype(np.int64) + 1)


def _at_border(label_map: UInt8[np.ndarray, "H W"], ignore_index: int) -> Bool[np.ndarray, "H W"]:
    """Return which pixels have another class above, below, to the left or to the right."""
    valid = label_map != ignore_index
    found = np.zeros(label_map.shape, dtype=bool)
    for axis in (0, 1):
        first = tuple(slice(None, -1) if one == axis else slice(None) for one in (0, 1))
        second = tuple(slice(1, None) if one == axis else slice(None) for one in (0, 1))
        differ = (label_map[first] != label_map[second]) & valid[first] & valid[second]
        found[first] |= differ
        found[second] |= differ
    return found


def _moved(table: pd.DataFrame, prepared: Path, folder: Path) -> pd.DataFrame:
    """Return a table whose paths are relative to another folder."""
    moved = table.copy()
    for column in (name for name in PATHS if name in moved):
        moved[column] = [
            Path(os.path.relpath(prepared / path, folder)).as_posix() if path else path
            for path in moved[column]
        ]
    return moved


def _write(table: pd.DataFrame, folder: Path, classes: ClassTable) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    classes.write(folder)
    write_manifest(folder, table)
