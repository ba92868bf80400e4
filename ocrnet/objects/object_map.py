"""The objects of an image, as one map of numbers with a class and a score for each.

No two objects share a pixel. Where a source has no instance map, and for a model that gives label maps alone, an object
is a connected component of a thing class. Diagonal neighbours are connected, so that thin scratches stay whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int32, Int64, Integer, UInt8
from scipy import ndimage

from ocrnet.data.instance_maps import MAX_OBJECTS, renumber

EIGHT = np.ones((3, 3), dtype=np.bool_)


@dataclass(frozen=True)
class ObjectMap:
    """The objects of an image.

    Args:
        numbers: Number of the object at each pixel, from 1; 0 is none.
        class_ids: Class id of each object, in the order of the numbers.
        scores: Score of each object in [0, 1]; 1 for true objects.
    """

    numbers: Int32[np.ndarray, "H W"]
    class_ids: Int64[np.ndarray, " N"]
    scores: Float[np.ndarray, " N"]

    def __len__(self) -> int:
        return len(self.class_ids)

    @property
    def areas(self) -> Int64[np.ndarray, " N"]:
        """The number of pixels of each object."""
        return np.bincount(self.numbers.ravel(), minlength=len(self) + 1)[1:].astype(np.int64)

    def boxes(self) -> list[tuple[slice, slice]]:
        """Return the rows and columns of each object."""
        found = ndimage.find_objects(self.numbers, max_label=len(self))
        return [(rows, columns) for rows, columns in found]

    def mask(self, index: int) -> Bool[np.ndarray, "H W"]:
        """Return the pixels of an object, counted from 0."""
        return np.asarray(self.numbers == index + 1)

    def kept(self, keep: Bool[np.ndarray, " N"]) -> "ObjectMap":
        """Return the map with some of its objects, numbered anew."""
        table = np.zeros(len(self) + 1, dtype=np.int32)
        table[1:][keep] = np.arange(1, int(keep.sum()) + 1)
        return ObjectMap(table[self.numbers], self.class_ids[keep], self.scores[keep])


def components(label_map: UInt8[np.ndarray, "H W"], things: Sequence[int]) -> ObjectMap:
    """Return the connected components of the thing classes, class by class, in the order of their first pixels."""
    numbers = np.zeros(label_map.shape, dtype=np.int32)
    class_ids: list[int] = []
    for class_id in things:
        parts, count = ndimage.label(label_map == class_id, EIGHT)
        numbers[parts > 0] = parts[parts > 0] + len(class_ids)
        class_ids += [class_id] * count
    return ObjectMap(numbers, np.array(class_ids, np.int64), np.ones(len(class_ids)))


def instances(
    numbers: Integer[np.ndarray, "H W"],
    label_map: UInt8[np.ndarray, "H W"],
    things: Sequence[int],
) -> ObjectMap:
    """Return the objects of an instance map; the class of an object is that of its first thing pixel.

    Pixels whose class is no thing, ignored ones too, belong to no object.
    """
    shown = renumber(np.where(np.isin(label_map, things), numbers, 0))
    values, first = np.unique(shown.ravel(), return_index=True)
    class_ids = label_map.ravel()[first[values > 0]].astype(np.int64)
    return ObjectMap(shown, class_ids, np.ones(len(class_ids)))


def predicted_components(
    probabilities: Float[np.ndarray, "K H W"], things: Sequence[int], *, min_area: int = 1
) -> ObjectMap:
    """Return the connected components of the predicted label map, without those below `min_area` pixels.

    Of more than 65535 components the largest are kept. The score of an object is the mean probability of its class over
    its pixels.
    """
    label_map = probabilities.argmax(axis=0).astype(np.uint8)
    found = components(label_map, things)
    least = max(
        min_area, int(np.sort(found.areas)[-MAX_OBJECTS]) + 1 if len(found) > MAX_OBJECTS else 1
    )
    found = found.kept(found.areas >= least)
    return with_scores(found, probabilities)


def with_scores(found: ObjectMap, probabilities: Float[np.ndarray, "K H W"]) -> ObjectMap:
    """Return objects whose scores are the mean probability of their class over their pixels."""
    inside = found.numbers > 0
    index = found.numbers[inside] - 1
    rows, columns = np.nonzero(inside)
    own = probabilities[found.class_ids[index], rows, columns].astype(np.float64)
    sums = np.bincount(index, weights=own, minlength=len(found))
    return ObjectMap(found.numbers, found.class_ids, sums / np.maximum(found.areas, 1))
