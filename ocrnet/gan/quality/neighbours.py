"""Distances of painted images, as a whole, to those that the generator learned from and to each other."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.spatial.distance import cdist
from scipy.stats import mannwhitneyu

from ocrnet.gan.quality.features import FeatureSet

ALARM_AUC = 0.6
ALARM_P = 0.05  # above it, that many paintings are nearer by luck


class Memory(NamedTuple):
    """Whether paintings are nearer to the training images than real images of other scenes are.

    Args:
        auc: The chance that a painting is nearer than a held-out real image; 0.5 where there is no difference.
        p_value: p-value of the one-sided Mann-Whitney test that `auc` is no more than a half.
    """

    auc: float
    p_value: float


def nearest_distances(fake: FeatureSet, train: FeatureSet) -> Float[np.ndarray, " N"]:
    """Return how far each painted image is from the training image nearest to it."""
    distances = cdist(fake.vectors.astype(np.float64), train.vectors.astype(np.float64))
    return np.asarray(distances.min(axis=1))


def memory(fake: FeatureSet, held_out: FeatureSet, train: FeatureSet) -> Memory:
    """Compare how far paintings and held-out real images are from the training images (after arXiv:2004.05675).

    Fair where the paintings are of the held-out images' label maps: a painting of a training label map is near a
    training image by its layout alone.

    Args:
        fake: The paintings.
        held_out: Real images that the generator never saw.
        train: Images that it learned from, and their mirror images if it may have learned from these.
    """
    painted, real = nearest_distances(fake, train), nearest_distances(held_out, train)
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
