"""The check that a layout shows only what the training split shows."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ocrnet.gan.layouts.catalog import Catalog
from ocrnet.gan.layouts.class_components import AREA_CAP
from ocrnet.gan.layouts.regions import LabelMap, Region, adjacent_classes, numbered_parts


def is_plausible(catalog: Catalog, label_map: LabelMap, *, specks: Region | None = None) -> bool:
    """Return whether all contacts of classes and all sizes of components in a label map occur in the data.

    A real label map is full of specks, and so is a layout made from it: existing specks are tolerated in place. But an
    operation must not make a thing, or leave a part of one, that is smaller than all things of its class.

    A large component of stuff may be smaller than in the data, since things may cover it, and as large as it would be
    without things. A small one must have an area that occurs in the data.

    Args:
        catalog: Catalog of the training split.
        label_map: Label map of the layout.
        specks: Mask of the specks of thing classes in the original label map; by default empty.
    """
    ignore_index, objects = catalog.classes.ignore_index, catalog.thing_classes()
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
    """Return the mask of the components of thing classes that are smaller than all things of their class."""
    specks = np.zeros(label_map.shape, dtype=np.bool_)
    for class_id, parts, areas in numbered_parts(label_map, catalog.classes.ignore_index):
        if class_id in catalog.thing_classes():
            specks |= _small(parts, areas, catalog.areas(class_id)[0])
    return specks


def _small(parts: npt.NDArray[np.integer[Any]], areas: npt.NDArray[np.int64], least: int) -> Region:
    """Return the pixels of the numbered components that are smaller than `least`."""
    return np.asarray(np.concatenate([[False], areas < least])[parts])
