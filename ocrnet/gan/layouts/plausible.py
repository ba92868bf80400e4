"""The check of a layout against what the training split shows."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ocrnet.gan.layouts.catalog import AREA_CAP, Catalog
from ocrnet.gan.layouts.regions import LabelMap, Region, adjacent_classes, numbered_parts


def is_plausible(catalog: Catalog, label_map: LabelMap, *, specks: Region | None = None) -> bool:
    """Say whether the data shows every contact of classes and every size of component in a label map.

    A real label map is full of specks, and so is a layout made of it: existing specks are tolerated in place. But no
    operation may make an object, or leave a part of one, that is smaller than all of its class but specks.

    Of a class that comes as surfaces, a component as large as a surface may be smaller than any that was seen, since
    objects may lie on it, and as large as any would be without its objects. A fragment of it may not.

    Args:
        catalog: Catalog of the training split.
        label_map: Label map of the layout.
        specks: Pixels where the original label map has specks of objects; by default none.
    """
    ignore_index, objects = catalog.classes.ignore_index, catalog.object_classes()
    if not adjacent_classes(label_map, ignore_index=ignore_index) <= catalog.adjacent:
        return False
    known = np.zeros(label_map.shape, dtype=np.bool_) if specks is None else specks
    for class_id, parts, areas in numbered_parts(label_map, ignore_index):
        least, most = catalog.areas(class_id)
        if class_id in objects:
            fits = areas.max() <= most and not (_small(parts, areas, least) & ~known).any()
        else:
            wide = areas > AREA_CAP * label_map.size
            fragments = areas[~wide]
            fits = ((least <= fragments) & (fragments <= most)).all() and (
                areas[wide] <= catalog.bare_area(class_id)
            ).all()
        if not fits:
            return False
    return True


def specks_of(catalog: Catalog, label_map: LabelMap) -> Region:
    """Return where a label map has objects that are smaller than all of their class but specks."""
    specks = np.zeros(label_map.shape, dtype=np.bool_)
    for class_id, parts, areas in numbered_parts(label_map, catalog.classes.ignore_index):
        if class_id in catalog.object_classes():
            specks |= _small(parts, areas, catalog.areas(class_id)[0])
    return specks


def _small(parts: npt.NDArray[np.integer[Any]], areas: npt.NDArray[np.int64], least: int) -> Region:
    """Return the pixels of the numbered components that are smaller than `least`."""
    return np.asarray(np.concatenate([[False], areas < least])[parts])
