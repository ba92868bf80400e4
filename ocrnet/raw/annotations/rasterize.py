"""Annotated regions, and the pixels that they cover.

Outlines are filled by pycocotools, so that a pixel belongs to an object here if it does for COCO's own tools.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

Overlap = Literal["area", "order"]
Mask = npt.NDArray[np.bool_]
Size = tuple[int, int]  # (height, width)
LEAST_POINTS = 3
MAX_BITS = 60  # a run length has fewer


@dataclass(frozen=True)
class Runs:
    """Run lengths of a mask, column by column, beginning with the pixels outside.

    Args:
        counts: Lengths of the runs, or COCO's text of them.
        size: (height, width) of the mask.
    """

    counts: tuple[int, ...] | str | bytes
    size: Size


@dataclass(frozen=True)
class Region:
    """A region that an annotation describes.

    Args:
        category: Name of its category.
        outlines: Outlines (x0, y0, x1, y1, ...) in pixels; the region is their union.
        runs: Run lengths, in place of outlines.
        is_crowd: Whether it marks several objects that were not separated, which is ignored.
    """

    category: str
    outlines: tuple[tuple[float, ...], ...] = ()
    runs: Runs | None = None
    is_crowd: bool = False


def covered_by(region: Region, size: Size) -> Mask:
    """Return the pixels (H, W) that a region covers; what is outside the image is cut off.

    Raises:
        ValueError: The run lengths are not those of an image of this size.
    """
    height, width = size
    if region.runs is not None:
        return _covered_by_runs(region.runs, size)
    # pycocotools reserves memory by the length of an outline: one coordinate far outside must not take it all.
    outlines = [
        np.clip(np.reshape(one, (-1, 2)), (-width, -height), (2 * width, 2 * height))
        .ravel()
        .tolist()
        for one in region.outlines
        if len(one) >= 2 * LEAST_POINTS
    ]
    if not outlines:
        return np.zeros(size, dtype=bool)
    union = coco_mask.merge(coco_mask.frPyObjects(outlines, height, width))
    return _covered_by_runs(Runs(union["counts"], size), size)


def _covered_by_runs(runs: Runs, size: Size) -> Mask:
    if runs.size != size:
        raise ValueError(f"run lengths of {runs.size[0]}x{runs.size[1]} pixels")
    height, width = size
    counts = runs.counts if isinstance(runs.counts, tuple) else unpack(runs.counts)
    if sum(counts) != height * width or min(counts, default=0) < 0:
        raise ValueError(f"run lengths of {sum(counts)} pixels")
    inside = np.arange(len(counts)) % 2 == 1
    return np.repeat(inside, counts).reshape(width, height).T


def unpack(text: str | bytes) -> tuple[int, ...]:
    """Return the run lengths in COCO's text of them.

    A character holds five bits of a number and whether more follow; from the fourth on, a number is the difference to
    the one two before. The decoder of pycocotools is not used: it leaves pixels unset where run lengths are too few.

    Raises:
        ValueError: The text is not of this form.
    """
    counts: list[int] = []
    value = shift = 0
    for byte in text.encode() if isinstance(text, str) else text:
        bits = byte - 48
        if not 0 <= bits < 64 or shift > MAX_BITS:
            raise ValueError("run lengths that cannot be read")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("run lengths that cannot be read")
    return tuple(counts)


def runs_of(mask: Mask) -> Runs:
    """Return the run lengths of a mask (H, W)."""
    columns = mask.T.ravel()
    changes = np.flatnonzero(np.diff(columns, prepend=False))
    counts = np.diff(changes, prepend=0, append=columns.size)
    return Runs(tuple(counts.tolist()), (mask.shape[0], mask.shape[1]))


def draw_label_map(
    regions: Sequence[tuple[Region, int]],
    size: Size,
    *,
    background: int,
    ignore_index: int,
    overlap: Overlap,
) -> npt.NDArray[np.uint8]:
    """Return the label map (H, W) of an image; see `draw_objects`."""
    return draw_objects(
        regions, size, background=background, ignore_index=ignore_index, overlap=overlap
    )[0]


def draw_objects(
    regions: Sequence[tuple[Region, int]],
    size: Size,
    *,
    background: int,
    ignore_index: int,
    overlap: Overlap,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
    """Return the label map (H, W) of an image, and the number of the object at each pixel, from 1; 0 is none.

    The label map shows the regions, each with its class id, over the background. Where objects overlap, the smaller one
    is on top, or the later one if `overlap` is `order`. Crowds are ignored pixels below all objects.

    Raises:
        ValueError: The run lengths of a region are not those of an image of this size.
    """
    label_map = np.full(size, background, dtype=np.uint8)
    masks = [(region, class_id, covered_by(region, size)) for region, class_id in regions]
    for region, _, mask in masks:
        if region.is_crowd:
            label_map[mask] = ignore_index
    objects = [(class_id, mask) for region, class_id, mask in masks if not region.is_crowd]
    if overlap == "area":
        objects.sort(key=lambda item: -int(item[1].sum()))  # stable: equal areas keep their order
    numbers = np.zeros(size, dtype=np.int32)
    for number, (class_id, mask) in enumerate(objects, start=1):
        label_map[mask] = class_id
        numbers[mask] = number
    return label_map, numbers
