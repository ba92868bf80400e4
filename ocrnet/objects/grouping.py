"""Objects by centres and offsets (Panoptic-DeepLab, arXiv:1911.10194, Section 3.2).

A centre is a maximum of the heat map over 7 x 7 pixels above 0.1. Each pixel of a thing class in the predicted label
map goes to the centre nearest to the place that its offset leads to. The class of an object is that of most of its
pixels; its score is the mean probability of that class over its pixels, times the heat of its centre.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8
from scipy import ndimage
from scipy.spatial import cKDTree

from ocrnet.models.attention_heads import Detections
from ocrnet.objects.attention import attended_objects
from ocrnet.objects.object_map import EIGHT, ObjectMap, predicted_components, with_scores

THRESHOLD = 0.1
WINDOW = 7  # pixels
MOST = 4096  # centres of an image, the hottest


@runtime_checkable
class InstanceMapper(Protocol):
    """A model that may have instance heads."""

    def instance_maps(
        self, image: UInt8[np.ndarray, "H W 3"], size: tuple[int, int]
    ) -> Float[np.ndarray, "3 H2 W2"] | None:
        """Return heat of a centre and way to the centre in pixels, at a size; None without instance heads."""
        ...


@runtime_checkable
class Detector(Protocol):
    """A model that may have attention heads."""

    def detections(
        self, image: UInt8[np.ndarray, "H W 3"], size: tuple[int, int]
    ) -> Detections | None:
        """Return the maps of its attention heads for a result of a size; None without them."""
        ...


def find_objects(
    model: object,
    image: UInt8[np.ndarray, "H W 3"],
    probabilities: Float[np.ndarray, "K H2 W2"],
    things: Sequence[int],
    *,
    min_area: int = 1,
) -> ObjectMap:
    """Return the objects of the thing classes of an image: by instance heads, else connected components.

    Args:
        model: Model, or an ensemble of models.
        image: RGB image as the network gets it.
        probabilities: Probability of each class, at the size of the result.
        things: Ids of the thing classes.
        min_area: Pixels of the smallest object.
    """
    size = (probabilities.shape[1], probabilities.shape[2])
    detections = model.detections(image, size) if isinstance(model, Detector) else None
    if detections is not None:
        return attended_objects(probabilities, detections, things, min_area=min_area)
    maps = model.instance_maps(image, size) if isinstance(model, InstanceMapper) else None
    if maps is None:
        return predicted_components(probabilities, things, min_area=min_area)
    return group_pixels(probabilities, maps, things, min_area=min_area)


def group_pixels(
    probabilities: Float[np.ndarray, "K H W"],
    maps: Float[np.ndarray, "3 H W"],
    things: Sequence[int],
    *,
    min_area: int = 1,
) -> ObjectMap:
    """Return the objects of the thing classes; without any centre, the connected components.

    Args:
        probabilities: Probability of each class.
        maps: Heat of a centre, then row and column of the way to the centre in pixels.
        things: Ids of the thing classes.
        min_area: Pixels of the smallest object.
    """
    label_map = probabilities.argmax(axis=0)
    is_thing = np.isin(label_map, things)
    centres = find_centres(maps[0])
    if not len(centres):
        return predicted_components(probabilities, things, min_area=min_area)
    at = np.argwhere(is_thing)
    ways = maps[1:, at[:, 0], at[:, 1]].T
    nearest = cKDTree(centres).query(at + ways)[1] if len(at) else np.zeros(0, np.int64)
    return _objects(probabilities, centres, maps[0], at, np.asarray(nearest), things, min_area)


def find_centres(heat: Float[np.ndarray, "H W"]) -> Int64[np.ndarray, "C 2"]:
    """Return row and column of each centre, the hottest first; equal peaks side by side are one."""
    parts, _ = ndimage.label(is_peak(heat), EIGHT)
    values, first = np.unique(parts.ravel(), return_index=True)
    found = np.stack(np.unravel_index(first[values > 0], heat.shape), axis=1)
    order = np.argsort(-heat[found[:, 0], found[:, 1]], kind="stable")
    return found[order[:MOST]].astype(np.int64)


def is_peak(heat: Float[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """Return whether a pixel is a maximum of its window above the threshold."""
    return np.asarray((heat > THRESHOLD) & (heat == ndimage.maximum_filter(heat, size=WINDOW)))


def _objects(
    probabilities: Float[np.ndarray, "K H W"],
    centres: Int64[np.ndarray, "C 2"],
    heat: Float[np.ndarray, "H W"],
    at: Int64[np.ndarray, "P 2"],
    nearest: Int64[np.ndarray, " P"],
    things: Sequence[int],
    min_area: int,
) -> ObjectMap:
    ids = np.array(things, dtype=np.int64)
    own = np.searchsorted(ids, probabilities[:, at[:, 0], at[:, 1]].argmax(axis=0))
    votes = np.bincount(nearest * len(ids) + own, minlength=len(centres) * len(ids))
    by_class = votes.reshape(len(centres), len(ids))
    numbers = np.zeros(heat.shape, np.int32)
    numbers[at[:, 0], at[:, 1]] = nearest + 1
    hot = np.clip(heat[centres[:, 0], centres[:, 1]], 0.0, 1.0).astype(np.float64)
    found = ObjectMap(numbers, ids[by_class.argmax(axis=1)], hot)
    found = found.kept(by_class.sum(axis=1) >= max(min_area, 1))
    scored = with_scores(found, probabilities)
    return ObjectMap(found.numbers, found.class_ids, scored.scores * found.scores)
