"""Distances of generated images to the generator's training images and to each other."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.spatial.distance import cdist
from scipy.stats import mannwhitneyu

from ocrnet.gan.quality.features import FeatureSet

ALARM_AUC = 0.6
ALARM_P = 0.05  # above it, the difference may be chance


class Memory(NamedTuple):
    """The test whether generated images are nearer to the training images than held-out real images are.

    Args:
        auc: Probability that a generated image is nearer than a held-out real image; 0.5 without a difference.
        p_value: p-value of the one-sided Mann-Whitney test of the hypothesis that `auc` is at most 0.5.
    """

    auc: float
    p_value: float


def nearest_distances(fake: FeatureSet, train: FeatureSet) -> Float[np.ndarray, " N"]:
    """Return the distance of each generated image from the nearest training image."""
    distances = cdist(fake.vectors.astype(np.float64), train.vectors.astype(np.float64))
    return np.asarray(distances.min(axis=1))


def memory(fake: FeatureSet, held_out: FeatureSet, train: FeatureSet) -> Memory:
    """Compare the distances of generated and of held-out real images from the training images (arXiv:2004.05675).

    The comparison is fair if the generated images have the label maps of the held-out images: an image of a training
    label map is near a training image by its layout alone.

    Args:
        fake: Generated images.
        held_out: Real images that the generator never saw.
        train: Training images of the generator, and their mirror images if it may have seen these.
    """
    painted, real = nearest_distances(fake, train), nearest_distances(held_out, train)
    test = mannwhitneyu(painted, real, alternative="less")
    # The statistic counts the pairs whose generated image is the farther one; ties count as a half.
    return Memory(1 - float(test.statistic) / (len(painted) * len(real)), float(test.pvalue))


def mean_pairwise(vectors: Float[np.ndarray, "N D"]) -> float:
    """Return the mean pairwise distance of the vectors; 0 for fewer than two."""
    count = len(vectors)
    if count < 2:
        return 0.0
    distances = cdist(vectors.astype(np.float64), vectors.astype(np.float64))
    return float(distances.sum() / (count * (count - 1)))
