"""The connected components of one class in all training label maps, and the classes around them."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from ocrnet.gan.layouts.regions import (
    EIGHT,
    Box,
    LabelMap,
    Region,
    below,
    contact_of,
    sides_of,
)

AREA_CAP = 0.2  # a component that covers a larger share of its image is stuff, not a thing
LEAST_AREA = 0.0005  # a component that covers a smaller share is a speck of the annotation
SIDES = 1  # a component that touches more sides of its image is stuff that the image cuts off
# A class occurs as things if this share of its pixels is in things,
OBJECT_SHARE = 0.5
# and this share is in components that the image's edge hardly cuts; a kerb is always cut.
FREE_SHARE = 0.35
CUT = 0.5  # a component is cut if its contact with the edge is longer, in square roots of its area
STAND_SHARE = (
    0.15  # smallest share of a class in the pixels right below the things of another class
)
LEAST_OBJECTS = 20  # fewer assume no perspective
LEAST_CORRELATION = 0.2  # of size and height; below it no perspective is assumed
SUPPORT_SHARE = 0.05  # smallest share of a class in the pixels around the things of another class


@dataclass(frozen=True)
class Component:
    """A connected component of a class in a training label map.

    Args:
        id: Id of the image.
        class_id: Id of the component's class.
        number: Number among the components of this class in this image, from 1.
        area: Number of pixels.
        centre: Centre of its bounding box, as shares of height and width.
    """

    id: str
    class_id: int
    number: int
    area: int
    centre: tuple[float, float]


@dataclass
class ClassComponents:
    """The components of one class in the whole split, and the classes around its things.

    Args:
        objects: Its things.
        object_pixels: Number of pixels of its things.
        free_pixels: Number of pixels of the components that the edge of their image hardly cuts.
        around: Number of pixels around its things, by class.
        under: Number of pixels right below its things, by class.
        areas: Areas of the components that are no specks.
        specks: Areas of the specks.
        bare: Area of its largest component once all things are removed, if it is stuff.
    """

    objects: list[Component] = field(default_factory=list)
    object_pixels: int = 0
    free_pixels: int = 0
    around: Counter[int] = field(default_factory=Counter)
    under: Counter[int] = field(default_factory=Counter)
    areas: list[int] = field(default_factory=list)
    specks: list[int] = field(default_factory=list)
    bare: int = 0

    def add(
        self,
        component: Component,
        part: Region,
        box: Box,
        label_map: LabelMap,
        *,
        ignore_index: int,
    ) -> None:
        """Add a component.

        Args:
            component: The component.
            part: Its mask within its bounding box.
            box: Its bounding box.
            label_map: Label map that shows it.
            ignore_index: Label of pixels that are ignored.
        """
        (height, width), area = label_map.shape, component.area
        (self.specks if area < LEAST_AREA * label_map.size else self.areas).append(area)
        is_cut = contact_of(part, box, height, width) > CUT * area**0.5
        self.free_pixels += 0 if is_cut else area
        share = area / label_map.size
        if not LEAST_AREA <= share <= AREA_CAP or sides_of(box, height, width) > SIDES:
            return
        self.objects.append(component)
        self.object_pixels += area
        around, under = _neighbours(label_map, part, box, ignore_index)
        self.around += around
        self.under += under

    def is_thing(self, pixels: float) -> bool:
        """Return whether the class occurs as things, given the number of its pixels in the split."""
        return (
            bool(self.objects)
            and self.object_pixels >= OBJECT_SHARE * pixels
            and self.free_pixels >= FREE_SHARE * pixels
        )

    def support(self) -> set[int]:
        """Return the classes that often surround its things."""
        return _common(self.around, SUPPORT_SHARE)

    def ground(self) -> set[int]:
        """Return the classes that are often right below its things."""
        return _common(self.under, STAND_SHARE)

    def growth(self) -> float:
        """Return the least-squares slope of a thing's log size over its position from top (0) to bottom (1)."""
        heights = np.array([o.centre[0] for o in self.objects])
        sizes = np.log([o.area for o in self.objects]) / 2
        if len(self.objects) < LEAST_OBJECTS or min(heights.std(), sizes.std()) == 0.0:
            return 0.0
        correlation = float(np.corrcoef(heights, sizes)[0, 1])
        if abs(correlation) < LEAST_CORRELATION:
            return 0.0
        return correlation * float(sizes.std() / heights.std())


def _neighbours(
    label_map: LabelMap, part: Region, box: Box, ignore_index: int
) -> tuple[Counter[int], Counter[int]]:
    """Count the classes of the pixels around a component and right below it, within the image."""
    rows, columns = (slice(max(s.start - 1, 0), s.stop + 1) for s in box)
    window = label_map[rows, columns]
    top, left = box[0].start - rows.start, box[1].start - columns.start
    inside = np.zeros(window.shape, dtype=np.bool_)
    inside[top : top + part.shape[0], left : left + part.shape[1]] = part
    ring = ndimage.binary_dilation(inside, EIGHT) & ~inside
    return _count(window[ring], ignore_index), _count(window[below(inside)], ignore_index)


def _count(label_map: LabelMap, ignore_index: int) -> Counter[int]:
    ids, counts = np.unique(label_map, return_counts=True)
    found = Counter(dict(zip(ids.tolist(), counts.tolist(), strict=True)))
    del found[ignore_index]
    return found


def _common(counts: Counter[int], share: float) -> set[int]:
    return {other for other, count in counts.items() if count >= share * counts.total()}
