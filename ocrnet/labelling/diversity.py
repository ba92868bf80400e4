"""Images unlike each other and unlike the labelled ones: greedy k-center on the encoder's features.

Sener and Savarese, arXiv:1708.00489. Differs from the paper: the distance of an image is multiplied by its weight, so
that of two images which are equally far from all that is labelled or chosen, the one that models know less about comes
first.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Pick(NamedTuple):
    """A chosen image: its place among all, its distance to labelled and earlier ones, weight times distance."""

    place: int
    distance: float
    score: float


def standardise(
    points: Float[np.ndarray, "N D"], labelled: Float[np.ndarray, "M D"]
) -> tuple[Float[np.ndarray, "N D"], Float[np.ndarray, "M D"]]:
    """Divide each channel by its standard deviation over all images, and all by the root of the number of channels.

    Distances are then in units of the spread of the images, whatever the number of channels.

    Args:
        points: Feature vectors of the unlabelled images.
        labelled: Feature vectors of the labelled images.
    """
    spread = np.concatenate([points, labelled]).std(axis=0)
    # A channel that never changes tells no two images apart.
    scale = np.where(spread > 0, spread, 1.0) * np.sqrt(points.shape[1])
    return points / scale, labelled / scale


def nearest_distances(
    points: Float[np.ndarray, "N D"], others: Float[np.ndarray, "M D"]
) -> Float[np.ndarray, " N"]:
    """Return the Euclidean distance of each point to the nearest of the others, of which there is one or more."""
    found = np.full(len(points), np.inf)
    for other in others:
        found = np.minimum(found, np.linalg.norm(points - other, axis=1))
    return found


def k_center(
    points: Float[np.ndarray, "N D"],
    labelled: Float[np.ndarray, "M D"],
    weights: Float[np.ndarray, " N"],
    *,
    count: int,
) -> list[Pick]:
    """Choose images one by one: each time the one with the largest weight times distance.

    The distance is that to the nearest of the labelled images and of those chosen before. Between equal products the
    larger distance decides, then the smaller index.

    Args:
        points: Vectors of the images to choose from.
        labelled: Vectors of the labelled images, one or more.
        weights: Weight of each image, 0 or more.
        count: Number of images to choose; all, if there are no more.
    """
    nearest = nearest_distances(points, labelled)
    left = np.ones(len(points), dtype=bool)
    picks: list[Pick] = []
    for _ in range(min(count, len(points))):
        open_ones = np.flatnonzero(left)
        scores = (weights * nearest)[open_ones]
        best = int(open_ones[np.lexsort((-nearest[open_ones], -scores))[0]])
        distance = float(nearest[best])
        picks.append(Pick(best, distance, float(weights[best]) * distance))
        left[best] = False
        nearest = np.minimum(nearest, np.linalg.norm(points - points[best], axis=1))
    return picks
