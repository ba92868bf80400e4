"""The check of a layout against what the training split shows."""

from ocrnet.gan.catalog import AREA_CAP, Catalog
from ocrnet.gan.regions import LabelMap, adjacent_classes, component_areas


def is_plausible(catalog: Catalog, label_map: LabelMap) -> bool:
    """Say whether the data shows every contact of classes and every size of component in a label map.

    Of a class that comes as surfaces, a component as large as a surface may have any size: what lies on it
    makes it a little smaller or larger than any that was seen. A fragment of it may not.
    """
    ignore_index = catalog.classes.ignore_index
    if not adjacent_classes(label_map, ignore_index=ignore_index) <= catalog.adjacent:
        return False
    objects = catalog.object_classes()
    for class_id, areas in component_areas(label_map, ignore_index=ignore_index).items():
        least, most = catalog.areas(class_id)
        if class_id not in objects:
            areas = areas[areas <= AREA_CAP * label_map.size]
        if (areas < least).any() or (areas > most).any():
            return False
    return True
