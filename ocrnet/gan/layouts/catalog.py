"""The catalog of the training label maps: the connected components of each class and the classes that they touch.

A thing is an object of a countable class; stuff is a region such as road or background. Layouts are made from the
catalog alone. It reads the label maps in two passes and keeps only the last few in memory.
"""

from collections import defaultdict
from functools import lru_cache
from pathlib import Path

import numpy as np

from ocrnet.data.decode import read_label_map
from ocrnet.data.manifest import ClassTable, pixel_columns, read_manifest
from ocrnet.errors import DataError
from ocrnet.gan.layouts.class_components import LEAST_AREA, ClassComponents, Component
from ocrnet.gan.layouts.instance_files import InstanceFiles
from ocrnet.gan.layouts.regions import (
    Box,
    LabelMap,
    Region,
    adjacent_classes,
    components,
    fill_nearest,
    numbered_parts,
    parts_of,
    table_of,
)

SKETCH = (12, 16)  # rows and columns of cells for the comparison of two layouts


class Catalog:
    """The training split as a source of layouts.

    Attributes:
        classes: Names, palette and ignored id.
        ids: Ids of the training images, sorted.
        groups: Group of each training image, by its id.
        instances: Instance maps of the training images.
        pixel_shares: Share of each class in the valid pixels.
        adjacent: Pairs (a, b) of different class ids, a < b, that touch somewhere.
        shown: Classes that each image shows, without specks, by its id.
        sketches: Label map of each image, sampled at the middle of the `SKETCH` cells, by its id.
    """

    def __init__(self, prepared: Path) -> None:
        self._folder = prepared
        self.classes = ClassTable.read(prepared)
        table = read_manifest(prepared, split="train")
        if table.empty:
            raise DataError(
                f"{prepared}: the manifest has no train image, but layouts need one. Run the stage prepare again."
            )
        self.ids: tuple[str, ...] = tuple(table["id"])
        self.groups = dict(zip(table["id"], table["group"], strict=True))
        self._label_files = dict(zip(table["id"], table["label_map"], strict=True))
        self.instances = InstanceFiles.read(prepared, table)
        self._image_files = dict(zip(table["id"], table["image"], strict=True))
        pixels = table[pixel_columns(self.classes.class_names)].to_numpy(dtype=np.float64)
        counts = pixels.sum(axis=0)
        self.shown = {
            image_id: tuple(np.flatnonzero(row >= max(LEAST_AREA * row.sum(), 1.0)).tolist())
            for image_id, row in zip(self.ids, pixels, strict=True)
        }
        self.sketches: dict[str, LabelMap] = {}
        self.pixel_shares = tuple(float(n) for n in counts / max(float(counts.sum()), 1.0))
        self.adjacent: frozenset[tuple[int, int]] = frozenset()
        self._seen: dict[int, ClassComponents] = defaultdict(ClassComponents)
        self._read_label_map = lru_cache(maxsize=8)(self._decode)
        for image_id in self.ids:
            self._scan(image_id)
        self._object_classes = [
            class_id
            for class_id, seen in sorted(self._seen.items())
            if seen.is_thing(float(counts[class_id]))
        ]
        self._perspective = {i: self._seen[i].growth() for i in self._object_classes}
        self._areas = {i: self._range(i) for i in self._seen}
        for image_id in self.ids:
            self._scan_bare(image_id)

    def label_map(self, image_id: str) -> LabelMap:
        """Return a training label map, which is read-only."""
        return self._read_label_map(image_id)

    def image_path(self, image_id: str) -> Path:
        """Return the path of a training image."""
        return self._folder / str(self._image_files[image_id])

    def thing_classes(self) -> list[int]:
        """Return the classes that occur as things, not as stuff."""
        return list(self._object_classes)

    def objects(self, class_id: int) -> list[Component]:
        """Return the things of a class."""
        return self._seen[class_id].objects if class_id in self._seen else []

    def support(self, class_id: int) -> set[int]:
        """Return the classes that often surround things of a class, so that one may be pasted onto them."""
        return self._seen[class_id].support() if class_id in self._seen else set()

    def stands_on(self, class_id: int) -> set[int]:
        """Return the classes that are often right below things of a class in the image."""
        return self._seen[class_id].ground() if class_id in self._seen else set()

    def areas(self, class_id: int) -> tuple[int, int]:
        """Return the areas in pixels of the smallest and the largest component of a class.

        The smallest thing is not a speck.
        """
        return self._areas.get(class_id, (1, 0))

    def bare_area(self, class_id: int) -> int:
        """Return the area in pixels of the largest component of a stuff class once all things are removed."""
        return self._seen[class_id].bare if class_id in self._seen else 0

    def fill(self, label_map: LabelMap, hole: Region) -> LabelMap:
        """Return a label map with a hole filled from the nearest stuff; a copy if there is no stuff."""
        surface = self.surface(label_map)
        return fill_nearest(label_map, hole, surface) if surface.any() else label_map.copy()

    def surface(self, label_map: LabelMap) -> Region:
        """Return the pixels of stuff, which holes are filled from."""
        return ~table_of([*self._object_classes, self.classes.ignore_index])[label_map]

    def growth(self, class_id: int) -> float:
        """Return the growth of a thing's log size from the top to the bottom of the image; 0 without perspective."""
        return self._perspective.get(class_id, 0.0)

    def region(self, component: Component) -> Region:
        """Return the mask of a component within its bounding box."""
        parts, boxes = parts_of(self.label_map(component.id) == component.class_id)
        box = boxes[component.number - 1]
        return np.asarray(parts[box] == component.number)

    def box(self, component: Component) -> Box:
        """Return the bounding box of a component in its image."""
        _, boxes = parts_of(self.label_map(component.id) == component.class_id)
        return boxes[component.number - 1]

    def _decode(self, image_id: str) -> LabelMap:
        label_map = read_label_map(self._folder / str(self._label_files[image_id]))
        label_map.flags.writeable = False
        return label_map

    def _scan(self, image_id: str) -> None:
        label_map = self.label_map(image_id)
        self.adjacent |= adjacent_classes(label_map, ignore_index=self.classes.ignore_index)
        height, width = label_map.shape
        rows, columns = (
            ((np.arange(cells) + 0.5) * size / cells).astype(np.int64)
            for cells, size in zip(SKETCH, label_map.shape, strict=True)
        )
        self.sketches[image_id] = label_map[np.ix_(rows, columns)]
        ignored = self.classes.ignore_index
        for class_id, part, number, box in components(label_map, ignored):
            centre = (
                (box[0].start + box[0].stop) / 2 / height,
                (box[1].start + box[1].stop) / 2 / width,
            )
            found = Component(image_id, class_id, number, int(np.count_nonzero(part)), centre)
            self._seen[class_id].add(found, part, box, label_map, ignore_index=ignored)

    def _range(self, class_id: int) -> tuple[int, int]:
        seen = self._seen[class_id]
        all_areas = seen.specks + seen.areas
        return min(seen.areas if class_id in self._object_classes else all_areas), max(all_areas)

    def _scan_bare(self, image_id: str) -> None:
        label_map = self.label_map(image_id)
        bare = self.fill(label_map, table_of(self._object_classes)[label_map])
        for class_id, _, areas in numbered_parts(bare, self.classes.ignore_index):
            seen = self._seen[class_id]
            seen.bare = max(seen.bare, int(areas.max()))
