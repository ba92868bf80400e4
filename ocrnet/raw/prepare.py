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
from ocrnet.data.decode import (
    read_image,
    resize_image,
    write_image,
    write_label_map,
)
from ocrnet.data.instance_maps import INSTANCES, write_things
from ocrnet.data.manifest import SPLITS, ClassTable, count_pixels, file_sha256, write_manifest
from ocrnet.errors import DataError
from ocrnet.raw.label_maps import label_rules, palette_of, resize_label_map, to_class_ids
from ocrnet.raw.prepare_objects import write_objects
from ocrnet.raw.raw_values import read_values
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


def prepare(table: pd.DataFrame, params: Params, *, roots: Roots, out: Path) -> pd.DataFrame:
    """Write the canonical files, manifest, classes and statistics; return the manifest.

    Args:
        table: Scan of validated raw files.
        params: Params that define how files are read and resized.
        roots: Folders that the table's paths are relative to.
        out: Output folder.

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
    table, left_out = _reduce(table, params)
    table = table.assign(group=table["joined"])
    for name in ("images", "label_maps", *([INSTANCES] if data.things else [])):
        (out / name).mkdir(parents=True, exist_ok=True)
    statistics = ChannelStatistics()
    rows = []
    for raw in table.to_dict("records"):
        image, label_map = _decode(raw, params, roots)
        if raw["split"] == "train":
            statistics.add(image)
        row = _write_item(raw, image, label_map, classes=classes, out=out)
        if data.things:
            row |= write_objects(raw, label_map, params, root=roots.label_maps, out=out)
        rows.append(row)
    manifest = pd.DataFrame(rows)
    write_manifest(out, manifest)
    classes.write(out)
    if data.things:
        write_things(out, [name for name in data.classes if name in data.things])
    content = {**_statistics(manifest, classes, statistics), "train_left_out": left_out}
    (out / STATISTICS_FILE).write_text(json.dumps(content, indent=1) + "\n")
    return manifest


def _reduce(table: pd.DataFrame, params: Params) -> tuple[pd.DataFrame, int]:
    """Return the rows that `prepare.train_fraction` keeps, and how many it leaves out."""
    fraction = params.prepare.train_fraction
    kept = keep_fraction(table, fraction=fraction, seed=params.prepare.split_seed)
    left_out = int((~kept).sum())
    if fraction < 1:
        logger.info(
            "prepare.train_fraction %g: %d of %d training images are left out of all stages",
            fraction, left_out, int((table["split"] == "train").sum()),
        )  # fmt: skip
    return table[kept], left_out


def _decode(
    raw: dict[Any, Any], params: Params, roots: Roots
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    data, size = params.data, params.prepare.resize
    image_path, label_path = roots.images / raw["image"], roots.label_maps / raw["label_map"]
    for path, sha256 in (
        (image_path, raw["image_sha256"]),
        (label_path, raw["label_sha256"]),
    ):
        if file_sha256(path) != sha256:
            raise DataError(f"{path}: the file changed since the scan. Run `dvc repro` again.")
    image = read_image(
        image_path,
        value_range=data.value_range,
        exif=data.exif,
        alpha=data.alpha,
        extra_bands=data.extra_bands,
        max_pixels=data.max_pixels,
    )
    rules = label_rules(data)
    values = read_values(label_path, rules, exif=data.exif, max_pixels=data.max_pixels)
    label_map = to_class_ids(values, rules)
    if size is None or image.shape[:2] == size:
        return image, label_map
    return resize_image(image, size), resize_label_map(label_map, size)


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
