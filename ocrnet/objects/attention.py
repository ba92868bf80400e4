"""Objects by attention: peaks of the class heat map, their boxes, and the masks that their queries give.

1. A peak is a maximum of its class's heat over 3 x 3 cells above 0.3; the hottest 1000 are kept.
2. Its sides give a box, and its query meets the keys of the pixels in the neighbourhood of the box. One mask at a time
   is in memory.
3. From the hottest peak on, an object takes the pixels of its mask (above 0.5) that the label map gives to a thing
   class and no object has yet. If less than half of the mask's pixels are free, the peak is a second one of an object
   that is already there, and it is left out.

The score of an object is the heat of its peak times the mean of its mask.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64
from scipy import ndimage

from ocrnet.models.attention_heads import EMBEDDING, ENLARGED, Detections
from ocrnet.models.output import OFFSET_UNIT
from ocrnet.objects.object_map import ObjectMap, predicted_components

THRESHOLD = 0.3
MOST = 1000  # peaks of an image
FREE = 0.5  # least share of a mask that no other object has


class Peaks(NamedTuple):
    """The peaks of an image, the hottest first."""

    class_ids: Int64[np.ndarray, " N"]
    cells: Int64[np.ndarray, "N 2"]
    heat: Float[np.ndarray, " N"]


def attended_objects(
    probabilities: Float[np.ndarray, "K H W"],
    detections: Detections,
    things: Sequence[int],
    *,
    min_area: int = 1,
) -> ObjectMap:
    """Return the objects of the thing classes; without any peak, the connected components.

    Args:
        probabilities: Probability of each class.
        detections: Maps of the heads.
        things: Ids of the thing classes.
        min_area: Pixels of the smallest object.
    """
    size = (probabilities.shape[1], probabilities.shape[2])
    peaks = find_peaks(detections, things, size)
    if not len(peaks.heat):
        return predicted_components(probabilities, things, min_area=min_area)
    free = np.isin(probabilities.argmax(axis=0), things)
    numbers = np.zeros(size, np.int32)
    class_ids: list[int] = []
    scores: list[float] = []
    for place, (window, mask) in enumerate(masks(detections, peaks, size)):
        shown = (mask > 0.5) & free[window]
        if shown.sum() < max(FREE * (mask > 0.5).sum(), min_area, 1):
            continue
        class_ids.append(int(peaks.class_ids[place]))
        scores.append(float(peaks.heat[place] * mask[shown].mean()))
        numbers[window][shown] = len(class_ids)
        free[window][shown] = False
    return ObjectMap(numbers, np.array(class_ids, np.int64), np.array(scores, np.float64))


def find_peaks(detections: Detections, things: Sequence[int], size: tuple[int, int]) -> Peaks:
    """Return the peaks of the thing classes whose cells lie in an image of a size (height, width)."""
    ids = np.array(things, dtype=np.int64)
    heat = 1 / (1 + np.exp(-detections.maps[ids].astype(np.float64)))
    highest = ndimage.maximum_filter(heat, size=(1, 3, 3))
    found = np.argwhere((heat > THRESHOLD) & (heat == highest))
    places = (found[:, 1:] + 0.5) * detections.cell - 0.5
    found = found[(places < size).all(axis=1)]
    values = heat[found[:, 0], found[:, 1], found[:, 2]]
    order = np.argsort(-values, kind="stable")[:MOST]
    return Peaks(ids[found[order, 0]], found[order, 1:], values[order])


def masks(
    detections: Detections, peaks: Peaks, size: tuple[int, int]
) -> Iterator[tuple[tuple[slice, slice], Float[np.ndarray, "h2 w2"]]]:
    """Yield the rows and columns of each object's neighbourhood, and its mask there."""
    _, sides, queries, keys = detections.parts
    scale, cell = np.array(detections.scale), np.array(detections.cell)
    for row, column in peaks.cells:
        lengths = OFFSET_UNIT * np.logaddexp(0, sides[:, row, column]).reshape(2, 2) * scale
        middle = (np.array([row, column]) + 0.5) * cell - 0.5 + (lengths[1] - lengths[0]) / 2
        half = lengths.sum(axis=0) / 2
        first = np.clip(np.ceil(middle - ENLARGED * half), 0, np.array(size) - 1).astype(int)
        last = np.clip(np.floor(middle + ENLARGED * half), first, np.array(size) - 1).astype(int)
        rows, columns = (np.arange(a, b + 1) for a, b in zip(first, last, strict=True))
        scores = _attend(queries[: len(keys), row, column], keys, rows, columns, cell)
        high, wide = ((rows - middle[0]) / half[0])[:, None], (columns - middle[1]) / half[1]
        q = queries[len(keys) :, row, column].astype(np.float64)
        logits = scores + q[0] + q[1] * high + q[2] * wide + q[3] * high**2 + q[4] * wide**2
        window = (slice(first[0], last[0] + 1), slice(first[1], last[1] + 1))
        yield window, 1 / (1 + np.exp(-np.clip(logits, -50, 50)))


def _attend(
    query: Float[np.ndarray, " E"],
    keys: Float[np.ndarray, "E h w"],
    rows: Int64[np.ndarray, " R"],
    columns: Int64[np.ndarray, " C"],
    cell: Float[np.ndarray, " 2"],
) -> Float[np.ndarray, "R C"]:
    """Return q . k / sqrt(E) at pixels, bilinearly from the cells around them."""
    down, right = (rows + 0.5) / cell[0] - 0.5, (columns + 0.5) / cell[1] - 0.5
    top, left = max(int(down[0]), 0), max(int(right[0]), 0)
    near = keys[:, top : int(down[-1]) + 2, left : int(right[-1]) + 2]
    scores = np.tensordot(query, near, axes=1).astype(np.float64) / EMBEDDING**0.5
    at = np.meshgrid(down - top, right - left, indexing="ij")
    found: Float[np.ndarray, "R C"] = ndimage.map_coordinates(scores, at, order=1, mode="nearest")
    return found
