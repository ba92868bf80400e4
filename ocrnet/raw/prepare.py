"""Canonical files of a prepared set: RGB images, label maps of class ids, manifest, statistics.

With `data.things` it also has an instance map for each image, and the names of the thing classes.
"""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ocrnet.config import Params
from ocrnet.data.decode import write_image, write_label_map
from ocrnet.data.instance_maps import INSTANCES, write_things
from ocrnet.data.manifest import SPLITS, ClassTable, count_pixels, file_sha256, write_manifest
from ocrnet.errors import DataError
from ocrnet.raw.canonical import check_unchanged, decode_image, decode_label_map
from ocrnet.raw.label_maps import palette_of
from ocrnet.raw.prepare_objects import read_objects, write_objects
from ocrnet.raw.prepare_unlabelled import prepare_unlabelled
from ocrnet.raw.sources import Roots
from ocrnet.raw.splits import keep_fraction, plan_splits

logger = logging.getLogger(__name__)
STATISTICS_FILE = "statistics.json"


class ChannelStatistics:
    """Mean and standard deviation per channel over all pixels, accumulated image by image."""

    def __init__(self) -> None:
        self._count = 0
        self._sum = np.zeros(3)
        self._squares = np.zeros(3)

    def add(self, image: npt.NDArray[np.uint8]) -> None:
        """Add the pixels of one image."""
        levels = np.arange(256, dtype=np.float64) / 255
        for channel in range(3):
            histogram = np.bincount(image[..., channel].reshape(-1), minlength=256)
            self._sum[channel] += histogram @ levels
            self._squares[channel] += histogram @ levels**2
        self._count += image.shape[0] * image.shape[1]

    def mean_std(self) -> tuple[list[float], list[float]]:
        """Return the mean and standard deviation per channel, for values in [0, 1]."""
        mean = self._sum / self._count
        std = np.sqrt(np.maximum(self._squares / self._count - mean**2, 0))
        return mean.round(6).tolist(), std.round(6).tolist()


def prepare(
    table: pd.DataFrame,
    params: Params,
    *,
    roots: Roots,
    out: Path,
    unlabelled: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Write the canonical files, manifest, classes and statistics; return the manifest.

    Args:
        table: Scan of validated raw files with label maps.
        params: Params that define how files are read and resized.
        roots: Folders that the table's paths are relative to.
        out: Output folder.
        unlabelled: Scan of validated unlabelled images, with paths relative to `data.path`.

    Raises:
        DataError: A split stays empty, no training pixel shows a class, or a file changed since the scan.
    """
    data = params.data
    classes = ClassTable(data.classes, palette_of(data), data.ignore_index)
    plan = plan_splits(table, params)
    if plan.refusals:
        raise DataError("\n".join(plan.refusals))
    # A fraction keeps a stretch of each group by name; groups that share a picture are joined after that.
    table = table.assign(split=plan.split_column(table), joined=plan.groups).sort_values("id")
    kept = _kept(table, params)
    table = table.assign(group=table["joined"])
    table, rest = table[kept], table[~kept]
    for name in ("images", "label_maps", *([INSTANCES] if data.things else [])):
        (out / name).mkdir(parents=True, exist_ok=True)
    statistics = ChannelStatistics()
    rows = []
    for raw in table.to_dict("records"):
        image, label_map = _decode(raw, params, roots)
        if raw["split"] == "train":
            statistics.add(image)
        found = None
        if data.things:
            found, label_map = read_objects(raw, label_map, params, root=roots.label_maps)
        row = _write_item(raw, image, label_map, classes=classes, out=out)
        rows.append(row if found is None else row | write_objects(raw, found, out=out))
    manifest = pd.DataFrame(rows)
    write_manifest(out, manifest)
    classes.write(out)
    if data.things:
        write_things(out, [name for name in data.classes if name in data.things])
    content = {**_statistics(manifest, classes, statistics), "train_left_out": len(rest)}
    (out / STATISTICS_FILE).write_text(json.dumps(content, indent=1) + "\n")
    _prepare_unlabelled(unlabelled, rest, table, params, roots=roots, out=out)
    return manifest


def _prepare_unlabelled(
    unlabelled: pd.DataFrame | None,
    rest: pd.DataFrame,
    table: pd.DataFrame,
    params: Params,
    *,
    roots: Roots,
    out: Path,
) -> None:
    """Write the unlabelled images, if there are any, and those of `prepare.rest`; log copies that are left out."""
    parts = []
    if unlabelled is not None:
        parts.append(unlabelled.assign(root=params.data.path, origin="unlabelled"))
    if params.prepare.rest == "unlabelled":
        parts.append(rest.assign(root=str(roots.images), origin="rest"))
    joined = pd.concat(parts) if parts else rest[:0]
    if joined.empty:
        return
    copies = prepare_unlabelled(joined, table[table["split"] == "train"], params, out=out)
    logger.info("prepare: %5d unlabelled images", len(joined) - copies)
    if copies:
        logger.warning(
            "prepare: %d unlabelled images are exact copies of training images or of each other and are left out",
            copies,
        )


def _kept(table: pd.DataFrame, params: Params) -> "pd.Series[bool]":
    """Return which rows `prepare.train_fraction` keeps."""
    fraction = params.prepare.train_fraction
    kept = keep_fraction(table, fraction=fraction, seed=params.prepare.split_seed)
    if fraction < 1:
        what = "unlabelled" if params.prepare.rest == "unlabelled" else "left out of all stages"
        logger.info(
            "prepare.train_fraction %g: %d of %d training images are %s",
            fraction, int((~kept).sum()), int((table["split"] == "train").sum()), what,
        )  # fmt: skip
    return kept


def _decode(
    raw: dict[Any, Any], params: Params, roots: Roots
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    image_path, label_path = roots.images / raw["image"], roots.label_maps / raw["label_map"]
    check_unchanged(image_path, raw["image_sha256"])
    check_unchanged(label_path, raw["label_sha256"])
    return decode_image(image_path, params), decode_label_map(label_path, params)


def _write_item(
    raw: dict[Any, Any],
    image: npt.NDArray[np.uint8],
    label_map: npt.NDArray[np.uint8],
    *,
    classes: ClassTable,
    out: Path,
) -> dict[str, Any]:
    image_path, label_path = f"images/{raw['id']}.png", f"label_maps/{raw['id']}.png"
    write_image(out / image_path, image)
    write_label_map(
        out / label_path, label_map, palette=classes.palette, ignore_index=classes.ignore_index
    )
    return {
        "id": raw["id"],
        "split": raw["split"],
        "group": raw["group"],
        "image": image_path,
        "label_map": label_path,
        "height": image.shape[0],
        "width": image.shape[1],
        "origin": "real",
        "image_sha256": file_sha256(out / image_path),
        "label_map_sha256": file_sha256(out / label_path),
        "raw_image": raw["image"],
        "raw_label_map": raw["label_map"],
        **count_pixels(label_map, classes.class_names, ignore_index=classes.ignore_index),
    }


def _statistics(
    manifest: pd.DataFrame, classes: ClassTable, channels: ChannelStatistics
) -> dict[str, Any]:
    splits: dict[str, Any] = {}
    for split in SPLITS:
        rows = manifest[manifest["split"] == split]
        pixels = {name: int(rows[f"px_{name}"].sum()) for name in classes.class_names}
        total = max(sum(pixels.values()), 1)
        splits[split] = {
            "images": len(rows),
            "ignored_pixels": int(rows["px_ignore"].sum()),
            "pixels": pixels,
            "shares": {name: round(count / total, 8) for name, count in pixels.items()},
        }
    mean, std = channels.mean_std()
    return {"splits": splits, "train_mean": mean, "train_std": std}
