"""What the rules need to know about the data: counts, sizes, shares and objects."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage

from ocrnet.auto_config.classes import ClassChoice
from ocrnet.auto_config.label_values import SAMPLED, spread
from ocrnet.config import Params
from ocrnet.data.manifest import SPLITS, pixel_columns
from ocrnet.errors import DataError
from ocrnet.raw.groups import Suggestion, suggest_group_by
from ocrnet.raw.label_maps import label_rules, to_class_ids
from ocrnet.raw.raw_values import read_values

Size = tuple[int, int]


@dataclass(frozen=True)
class DataFacts:
    """A set as the rules see it.

    Args:
        source: Value of `data.source`.
        images: Number of images by split; all are in "" where no split is published.
        groups: Suggested `data.group_by`, where names group images and no split is published.
        sizes: (height, width) of each image, upright.
        shares: Share of the labelled pixels by class.
        sides: Side of an object by class in pixels, without the most frequent class: the root of the area of the object
            that the median pixel of the class belongs to. So specks of the annotation count little.
        copies: Number of images that show the picture of another one.
        value_range: Lowest and highest value of images deeper than 8 bits; None if there are none.
        rotated: Number of images and label maps with a rotation flag.
        transparent: Number of images with transparent pixels.
        further_bands: Number of images with bands beyond red, green, blue and alpha.
        unlabelled: Folder of unlabelled images and the number of its images; None without one.
        lacking: Number of images of the source that have no label map.
        held_out: Whether images without a label map show what val or test shows.
    """

    source: str
    images: dict[str, int]
    groups: Suggestion | None
    sizes: tuple[Size, ...]
    shares: dict[str, float]
    sides: dict[str, float]
    copies: int = 0
    value_range: tuple[float, float] | None = None
    rotated: int = 0
    transparent: int = 0
    further_bands: int = 0
    unlabelled: tuple[str, int] | None = None
    lacking: int = 0
    held_out: bool = False

    @property
    def total(self) -> int:
        """Number of images."""
        return sum(self.images.values())

    @property
    def is_published(self) -> bool:
        """Whether the source publishes a split."""
        return "" not in self.images

    @property
    def missing_splits(self) -> list[str]:
        """The splits that a published split lacks."""
        return [split for split in SPLITS if self.is_published and split not in self.images]

    @property
    def median_size(self) -> Size:
        """Median height and width of the images in pixels."""
        height, width = np.median(np.array(self.sizes), axis=0)
        return round(float(height)), round(float(width))

    @property
    def rarest(self) -> tuple[str, float]:
        """The rarest class that occurs, and its share."""
        shown = {name: share for name, share in self.shares.items() if share > 0}
        return min(shown.items(), key=lambda item: item[1])

    def train_images(self, val_share: float, test_share: float) -> int:
        """Return the number of training images; where no split is published, with these shares of the others."""
        drawn = round(self.total * (1 - val_share - test_share))
        return self.images.get("train", max(1, drawn))


def read_facts(
    table: pd.DataFrame, params: Params, choice: ClassChoice, *, root: Path
) -> DataFacts:
    """Return the facts of a scanned set.

    Args:
        table: Table of the scan.
        params: Params of the scan.
        choice: Classes of the set.
        root: Folder that the table's paths of label maps are relative to.

    Raises:
        DataError: No image can be read.
    """
    readable = table[table["kind"].notna()]
    if readable.empty:
        fault = table["image_error"].dropna()
        raise DataError(str(fault.iloc[0]) if len(fault) else f"E114 {root}: no image can be read.")
    split = (
        table["split"].fillna("") if table["split"].notna().all() else pd.Series("", table.index)
    )
    pixels = table[pixel_columns(params.data.classes)[: len(params.data.classes)]].sum()
    shares = (pixels / max(float(pixels.sum()), 1.0)).tolist()
    deep = readable[readable["dtype"] != "uint8"]
    flags = table[["orientation", "label_orientation"]].fillna(1)
    published = "" not in set(split)
    return DataFacts(
        source=params.data.source,
        images={
            name: int((split == name).sum()) for name in (*SPLITS, "") if (split == name).any()
        },
        groups=None if published else suggest_group_by(list(table["id"])),
        sizes=tuple(
            (int(h), int(w)) for h, w in zip(readable["height"], readable["width"], strict=True)
        ),
        shares=dict(zip(params.data.classes, shares, strict=True)),
        sides=_sides(table, params, choice, root),
        copies=int((table["copy_of"] != "").sum()),
        value_range=(
            (float(deep["image_min"].min()), float(deep["image_max"].max())) if len(deep) else None
        ),
        rotated=int((flags > 1).any(axis=1).sum()),
        transparent=int((readable["transparent_px"] > 0).sum()),
        further_bands=int((readable["extra_bands"] > 0).sum()),
    )


def _sides(
    table: pd.DataFrame, params: Params, choice: ClassChoice, root: Path
) -> dict[str, float]:
    """Return the side of an object by class, from a sample of the label maps."""
    rules, found = label_rules(params.data), {name: list[int]() for name in choice.classes}
    usable = table.loc[table["values"].notna() & (table["unknown_px"].fillna(0) == 0), "label_map"]
    for name in spread(usable, SAMPLED):
        raw = read_values(root / name, rules, exif="ignore")
        for label, areas in _areas(raw, to_class_ids(raw, rules), choice).items():
            found[label] += areas
    most = max(choice.classes, key=lambda name: _pixels(table, choice.classes, name))
    return {name: side_of(areas) for name, areas in found.items() if areas and name != most}


def side_of(areas: Sequence[int]) -> float:
    """Return the side, in pixels, of the object that the median pixel belongs to.

    Examples:
        >>> side_of([100, 1, 1, 1])
        10.0
    """
    ordered = np.sort(np.array(areas))
    place = np.searchsorted(np.cumsum(ordered), ordered.sum() / 2)
    return math.sqrt(float(ordered[place]))


def _areas(
    raw: npt.NDArray[Any], label_map: npt.NDArray[np.uint8], choice: ClassChoice
) -> Mapping[str, list[int]]:
    if choice.is_instances and raw.ndim == 2:
        numbers = np.unique(raw[label_map == 1], return_counts=True)[1]
        return {choice.classes[1]: numbers.tolist()}
    found: dict[str, list[int]] = {}
    for class_id, name in enumerate(choice.classes):
        components = ndimage.label(label_map == class_id)[0]
        found[name] = np.bincount(components.reshape(-1))[1:].tolist()
    return found


def _pixels(table: pd.DataFrame, classes: Sequence[str], name: str) -> float:
    column = pixel_columns(classes)[list(classes).index(name)]
    return float(table[column].sum())
