"""What the training label maps show: the connected components of each class and what they touch.

Layouts are made from this alone. It is read in one pass and holds no label map but the few last used.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ocrnet.data.decode import read_label_map
from ocrnet.data.manifest import ClassTable, pixel_columns, read_manifest
from ocrnet.errors import DataError

LabelMap = npt.NDArray[np.uint8]
Region = npt.NDArray[np.bool_]
Box = tuple[slice, slice]

AREA_CAP = 0.2  # a component that covers more of its image is a surface, not an object
LEAST_AREA = 0.0005  # one that covers less is a speck of the annotation
SIDES = 1  # one that touches more sides of its image is a surface cut off there
OBJECT_SHARE = 0.5  # a class is pasted when at least this share of its pixels lies in objects
SUPPORT_SHARE = (
    0.05  # of the pixels around the objects of a class; a rarer neighbour is an accident
)
_EIGHT = np.ones(
    (3, 3), dtype=np.bool_
)  # diagonal neighbours belong together: thin lines stay whole


@dataclass(frozen=True)
class Component:
    """A connected component of a class in a training label map.

    Args:
        id: of the image.
        class_id: what it is.
        number: its place among the components of this class in this image, from 1.
        area: pixels.
        centre: of its bounding box, as shares of height and width.
    """

    id: str
    class_id: int
    number: int
    area: int
    centre: tuple[float, float]


@dataclass
class _Seen:
    """What one class shows over the whole split."""

    objects: list[Component] = field(default_factory=list)
    object_pixels: int = 0
    around: Counter[int] = field(default_factory=Counter)
    areas: list[int] = field(default_factory=list)


class Catalog:
    """The training split as a source of layouts.

    Attributes:
        classes: names, palette and ignored id.
        ids: of the training images, sorted.
        groups: of the same images.
        pixel_shares: of the valid pixels, per class.
        adjacent: pairs (a, b) of different class ids, a < b, that touch somewhere.
    """

    def __init__(self, prepared: Path) -> None:
        self._folder = prepared
        self.classes = ClassTable.read(prepared)
        table = read_manifest(prepared, split="train")
        if table.empty:
            raise DataError(
                f"{prepared}: no train image in the manifest. Layouts need at least one."
            )
        self.ids: tuple[str, ...] = tuple(table["id"])
        self.groups = dict(zip(table["id"], table["group"], strict=True))
        self._label_files = dict(zip(table["id"], table["label_map"], strict=True))
        self._image_files = dict(zip(table["id"], table["image"], strict=True))
        counts = (
            table[pixel_columns(self.classes.class_names)].to_numpy(dtype=np.float64).sum(axis=0)
        )
        self.pixel_shares = tuple(float(n) for n in counts / max(float(counts.sum()), 1.0))
        self.adjacent: frozenset[tuple[int, int]] = frozenset()
        self._seen: dict[int, _Seen] = defaultdict(_Seen)
        self._counts = counts
        self._read_label_map = lru_cache(maxsize=8)(self._decode)
        for image_id in self.ids:
            self._scan(image_id)

    def label_map(self, image_id: str) -> LabelMap:
        """Return a training label map; not to be written to."""
        return self._read_label_map(image_id)

    def image_path(self, image_id: str) -> Path:
        """Return the file of a training image."""
        return self._folder / str(self._image_files[image_id])

    def object_classes(self) -> list[int]:
        """Return the classes that come as objects rather than as surfaces."""
        return [
            class_id
            for class_id, seen in sorted(self._seen.items())
            if seen.objects and seen.object_pixels >= OBJECT_SHARE * self._counts[class_id]
        ]

    def objects(self, class_id: int) -> list[Component]:
        """Return the objects of a class."""
        return self._seen[class_id].objects if class_id in self._seen else []

    def support(self, class_id: int) -> set[int]:
        """Return the classes that commonly surround objects of a class, and so may lie under one."""
        around = self._seen[class_id].around if class_id in self._seen else Counter[int]()
        total = around.total()
        return {other for other, count in around.items() if count >= SUPPORT_SHARE * total}

    def areas(self, class_id: int) -> tuple[int, int]:
        """Return the area of the smallest and of the largest component of a class that was seen."""
        areas = self._seen[class_id].areas if class_id in self._seen else []
        return (min(areas), max(areas)) if areas else (1, 0)

    def region(self, component: Component) -> Region:
        """Return where a component lies, cut to its bounding box."""
        parts, boxes = _parts(self.label_map(component.id) == component.class_id)
        box = boxes[component.number - 1]
        return np.asarray(parts[box] == component.number)

    def box(self, component: Component) -> Box:
        """Return the bounding box of a component in its image."""
        _, boxes = _parts(self.label_map(component.id) == component.class_id)
        return boxes[component.number - 1]

    def _decode(self, image_id: str) -> LabelMap:
        label_map = read_label_map(self._folder / str(self._label_files[image_id]))
        label_map.flags.writeable = False
        return label_map

    def _scan(self, image_id: str) -> None:
        label_map = self.label_map(image_id)
        self.adjacent |= adjacent_classes(label_map, ignore_index=self.classes.ignore_index)
        height, width = label_map.shape
        for class_id, part, number, box in components(label_map, self.classes.ignore_index):
            seen, area = self._seen[class_id], int(np.count_nonzero(part))
            seen.areas.append(area)
            share = area / label_map.size
            if not LEAST_AREA <= share <= AREA_CAP or _sides(box, height, width) > SIDES:
                continue
            rows, columns = box
            centre = (
                (rows.start + rows.stop) / 2 / height,
                (columns.start + columns.stop) / 2 / width,
            )
            seen.objects.append(Component(image_id, class_id, number, area, centre))
            seen.object_pixels += area
            seen.around += self._around(label_map, part, box)

    def _around(self, label_map: LabelMap, part: Region, box: Box) -> Counter[int]:
        """Count the classes of the pixels that touch a component; one at the image's edge touches less."""
        rows, columns = (slice(max(s.start - 1, 0), s.stop + 1) for s in box)
        window = label_map[rows, columns]
        top, left = box[0].start - rows.start, box[1].start - columns.start
        inside = np.zeros(window.shape, dtype=np.bool_)
        inside[top : top + part.shape[0], left : left + part.shape[1]] = part
        ring = ndimage.binary_dilation(inside, _EIGHT) & ~inside
        ids, counts = np.unique(window[ring], return_counts=True)
        found = Counter(dict(zip(ids.tolist(), counts.tolist(), strict=True)))
        del found[self.classes.ignore_index]
        return found


def components(label_map: LabelMap, ignore_index: int) -> Iterator[tuple[int, Region, int, Box]]:
    """Yield class id, region within its box, number from 1 and box of each connected component."""
    for class_id in np.unique(label_map).tolist():
        if class_id == ignore_index:
            continue
        parts, boxes = _parts(label_map == class_id)
        for number, box in enumerate(boxes, start=1):
            yield class_id, np.asarray(parts[box] == number), number, box


def component_areas(label_map: LabelMap, *, ignore_index: int) -> dict[int, npt.NDArray[np.int64]]:
    """Return the areas of the connected components of each class that is there."""
    areas: dict[int, npt.NDArray[np.int64]] = {}
    for class_id in np.unique(label_map).tolist():
        if class_id != ignore_index:
            parts, _ = ndimage.label(label_map == class_id, _EIGHT)
            areas[class_id] = np.bincount(parts.ravel())[1:].astype(np.int64)
    return areas


def adjacent_classes(label_map: LabelMap, *, ignore_index: int) -> frozenset[tuple[int, int]]:
    """Return the pairs (a, b), a < b, of different classes that share a pixel edge."""
    pairs: set[tuple[int, int]] = set()
    for one, other in ((label_map[:, 1:], label_map[:, :-1]), (label_map[1:], label_map[:-1])):
        edge = one != other
        low = np.minimum(one[edge], other[edge]).astype(np.int64)
        high = np.maximum(one[edge], other[edge]).astype(np.int64)
        for code in np.unique(low * 256 + high).tolist():
            a, b = divmod(code, 256)
            if ignore_index not in (a, b):
                pairs.add((a, b))
    return frozenset(pairs)


def _parts(region: Region) -> tuple[npt.NDArray[np.int64], list[Box]]:
    parts, _ = ndimage.label(region, _EIGHT)
    boxes = [(rows, columns) for rows, columns in ndimage.find_objects(parts)]
    return parts.astype(np.int64), boxes


def _sides(box: Box, height: int, width: int) -> int:
    """Count the sides of the image that a box touches."""
    rows, columns = box
    return sum((rows.start == 0, rows.stop == height, columns.start == 0, columns.stop == width))
