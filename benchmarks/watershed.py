"""A watershed of a predicted label map: the classical way to tell touching objects apart, as a rival of the heads.

The distance of each pixel to the border of its class is flooded from its maxima (Beucher and Lantuejoul, 1979): each
maximum over a window becomes an object, and a component keeps its own maximum. The flooding goes from the highest pixel
down by a queue (Meyer, 1991); no pixel is left as a line between two objects.
"""

import heapq
from collections.abc import Sequence
from itertools import product

import numpy as np
from jaxtyping import Bool, Float, Int32
from scipy import ndimage

from ocrnet.objects.object_map import EIGHT, ObjectMap, with_scores

SMOOTHING = 1.0  # standard deviation in pixels, of the distances before their maxima are taken
WINDOW = 11  # pixels in which a distance must be the largest


def watershed_objects(
    probabilities: Float[np.ndarray, "K H W"], things: Sequence[int], *, min_area: int = 1
) -> ObjectMap:
    """Return the objects of the thing classes.

    Args:
        probabilities: Probability of each class.
        things: Ids of the thing classes.
        min_area: Pixels of the smallest object.
    """
    label_map = probabilities.argmax(axis=0)
    numbers = np.zeros(label_map.shape, np.int32)
    class_ids: list[int] = []
    for class_id in things:
        parts = split_mask(label_map == class_id)
        numbers[parts > 0] = parts[parts > 0] + len(class_ids)
        class_ids += [class_id] * int(parts.max(initial=0))
    found = ObjectMap(numbers, np.array(class_ids, np.int64), np.ones(len(class_ids)))
    return with_scores(found.kept(found.areas >= max(min_area, 1)), probabilities)


def split_mask(mask: Bool[np.ndarray, "H W"]) -> Int32[np.ndarray, "H W"]:
    """Return the number of the object at each pixel of a mask, from 1; 0 outside."""
    if not mask.any():
        return np.zeros(mask.shape, np.int32)
    distances = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    smooth = ndimage.gaussian_filter(distances, SMOOTHING) * mask
    components, count = ndimage.label(mask, EIGHT)
    peaks = mask & (smooth == ndimage.maximum_filter(smooth, size=WINDOW))
    # A small component beside a large one has no maximum of the window: its own is taken.
    bare = np.setdiff1d(np.arange(1, count + 1), components[peaks])
    for place in ndimage.maximum_position(smooth, components, bare) if bare.size else ():
        peaks[tuple(place)] = True
    markers, _ = ndimage.label(peaks, EIGHT)
    return flood(smooth, markers.astype(np.int32), mask)


def flood(
    heights: Float[np.ndarray, "H W"],
    markers: Int32[np.ndarray, "H W"],
    mask: Bool[np.ndarray, "H W"],
) -> Int32[np.ndarray, "H W"]:
    """Return the number of the marker that reaches each pixel of a mask first, from the highest pixels down.

    Args:
        heights: Height of each pixel.
        markers: Number of the marker at each pixel; 0 is none. Each component of the mask has one.
        mask: Pixels that are flooded, over all eight neighbours.
    """
    numbers = np.pad(markers, 1)
    free = np.pad(mask, 1) & (numbers == 0)
    down = np.pad(-heights, 1)
    # Of equal heights, the pixel that was reached first comes first.
    queue = [
        (down[row, column], order, row, column)
        for order, (row, column) in enumerate(np.argwhere(numbers).tolist())
    ]
    heapq.heapify(queue)
    order = len(queue)
    while queue:
        _, _, row, column = heapq.heappop(queue)
        for near in product(range(row - 1, row + 2), range(column - 1, column + 2)):
            if free[near]:
                free[near], numbers[near] = False, numbers[row, column]
                heapq.heappush(queue, (down[near], order, *near))
                order += 1
    return numbers[1:-1, 1:-1]
