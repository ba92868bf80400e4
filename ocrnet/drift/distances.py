"""Distances of images from the training images, by their feature vectors and by the shares of their classes."""

import numpy as np
from jaxtyping import Float

NEIGHBOURS = 3  # nearest training images whose mean distance counts
FOLDS = 5  # parts of the training images, each measured by the others


def neighbour_distances(
    points: Float[np.ndarray, "n D"], others: Float[np.ndarray, "N D"], *, own: bool
) -> Float[np.ndarray, " n"]:
    """Return the mean total variation of the shares of each image to its nearest others, in [0, 1].

    Args:
        points: Shares of the classes, which sum to 1.
        others: Shares that the distances are to, at least `NEIGHBOURS` without the point itself.
        own: Whether the points are the others, in their order, so that each leaves itself out.
    """
    found = np.empty(len(points))
    for index, point in enumerate(points):
        distances = np.abs(others - point).sum(axis=1) / 2
        if own:
            distances = np.delete(distances, index)
        found[index] = np.partition(distances, NEIGHBOURS - 1)[:NEIGHBOURS].mean()
    return found


def feature_distances(
    points: Float[np.ndarray, "n D"], others: Float[np.ndarray, "N D"]
) -> Float[np.ndarray, " n"]:
    """Return the Mahalanobis distance of vectors, over the root of their length; it is about 1 for like images.

    Each channel is divided by its standard deviation, and the covariance is shrunk (`shrunk_covariance`): there are
    more channels than images. As a measure of strangeness: Lee et al., arXiv:1807.03888.

    Args:
        points: Feature vectors.
        others: Vectors of the training images, two or more.
    """
    spread = others.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)  # a channel that never changed
    middle = others.mean(axis=0)
    covariance = shrunk_covariance((others - middle) / scale)
    from_middle = (points - middle) / scale
    squares = np.einsum("nd,dn->n", from_middle, np.linalg.solve(covariance, from_middle.T))
    distances: Float[np.ndarray, " n"] = np.sqrt(np.maximum(squares, 0.0) / points.shape[1])
    return distances


def own_feature_distances(vectors: Float[np.ndarray, "N D"]) -> Float[np.ndarray, " N"]:
    """Return the distance of each training image from the other folds: none is measured by itself."""
    found = np.empty(len(vectors))
    fold = np.arange(len(vectors)) % FOLDS
    for part in range(min(FOLDS, len(vectors))):
        found[fold == part] = feature_distances(vectors[fold == part], vectors[fold != part])
    return found


def shrunk_covariance(centred: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "D D"]:
    """Return the covariance of centred vectors, shrunk towards a multiple of the identity.

    The weight of the identity is that of Ledoit and Wolf, Journal of Multivariate Analysis 88, 2004, lemma 3.1 to 3.4.
    """
    count, width = centred.shape
    sample = centred.T @ centred / count
    mean = np.trace(sample) / width
    target = mean * np.eye(width)
    apart = ((sample - target) ** 2).sum()
    if apart == 0:
        return np.eye(width) if mean == 0 else target
    noise = ((centred**2).sum(axis=1) ** 2).sum() / count**2 - (sample**2).sum() / count
    weight = min(1.0, noise / apart)
    shrunk: Float[np.ndarray, "D D"] = weight * target + (1 - weight) * sample
    return shrunk
