"""How near painted images are to those that the generator learned from: copies one by one, and memory as a whole."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from jaxtyping import Float
from scipy.spatial.distance import cdist
from scipy.stats import mannwhitneyu

from ocrnet.quality.features import FeatureSet

ALARM_AUC = 0.6


class Neighbour(NamedTuple):
    """The training image nearest to a painted one, and the distance of their vectors."""

    id: str
    distance: float


class Memory(NamedTuple):
    """Whether paintings are nearer to the training images than real images of other scenes are.

    Args:
        auc: the chance that a painting is nearer than a held-out real image; 0.5 where there is no difference.
        p_value: of the one-sided Mann-Whitney test that it is no more than a half.
    """

    auc: float
    p_value: float


def nearest(fake: FeatureSet, train: FeatureSet) -> list[Neighbour]:
    """Return the nearest training image of each painted one."""
    distances = cdist(fake.vectors.astype(np.float64), train.vectors.astype(np.float64))
    closest = distances.argmin(axis=1)
    return [
        Neighbour(train.ids[int(index)], float(row[index]))
        for row, index in zip(distances, closest, strict=True)
    ]


def own_distances(vectors: Float[np.ndarray, "N D"]) -> npt.NDArray[np.float64]:
    """Return the distance of each vector to the nearest of the others."""
    distances = cdist(vectors.astype(np.float64), vectors.astype(np.float64))
    np.fill_diagonal(distances, np.inf)
    return np.asarray(distances.min(axis=1))


def copy_limit(train: FeatureSet, *, quantile: float) -> float:
    """Return the distance up to which a painted image is a copy: so near are few training images to each other.

    It is a quantile of the distances of the training images to their nearest neighbours. With a single one it is 0:
    then an exact copy alone is one.
    """
    if len(train) < 2:
        return 0.0
    return float(np.quantile(own_distances(train.vectors), quantile))


def near_copies(fake: FeatureSet, train: FeatureSet, *, quantile: float) -> dict[str, Neighbour]:
    """Return the painted images that are copies, with what they are copies of."""
    limit = copy_limit(train, quantile=quantile)
    found = zip(fake.ids, nearest(fake, train), strict=True)
    return {item: neighbour for item, neighbour in found if neighbour.distance <= limit}


def memory(fake: FeatureSet, held_out: FeatureSet, train: FeatureSet) -> Memory:
    """Compare how far paintings and held-out real images are from the training images (after arXiv:2004.05675).

    Fair where the paintings are of the held-out images' label maps: a painting of a training label map is near a
    training image by its layout alone.
    """
    painted = [neighbour.distance for neighbour in nearest(fake, train)]
    real = [neighbour.distance for neighbour in nearest(held_out, train)]
    test = mannwhitneyu(painted, real, alternative="less")
    # Its statistic counts pairs in which the painting is the farther one, ties as a half.
    return Memory(1 - float(test.statistic) / (len(painted) * len(real)), float(test.pvalue))


def mean_pairwise(vectors: Float[np.ndarray, "N D"]) -> float:
    """Return the mean distance of two of the vectors; 0 for fewer than two."""
    count = len(vectors)
    if count < 2:
        return 0.0
    distances = cdist(vectors.astype(np.float64), vectors.astype(np.float64))
    return float(distances.sum() / (count * (count - 1)))
