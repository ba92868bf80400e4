"""How much the members of an ensemble disagree about an image, with rare classes counted up.

The disagreement at a pixel is the entropy of the mean of the members' probabilities, minus the mean of their entropies
(the mutual information of BALD, arXiv:1112.5745). It is 0 where all members say the same, even if all say that it may
be one of two classes: a border that no label map can draw sharper tells nothing about what to label.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class ImageUncertainty:
    """The uncertainty about an image, by the class that the mean of the members predicts.

    Args:
        disagreement: Sum of the disagreement over the pixels of each class.
        pixels: Number of pixels of each class.
        entropy: Mean entropy of the members' mean, in [0, 1].
    """

    disagreement: Float[np.ndarray, " K"]
    pixels: Float[np.ndarray, " K"]
    entropy: float

    @property
    def shares(self) -> Float[np.ndarray, " K"]:
        """The share of each class in the predicted label map."""
        shares: Float[np.ndarray, " K"] = self.pixels / self.pixels.sum()
        return shares


def entropy(probabilities: Float[np.ndarray, "K H W"]) -> Float[np.ndarray, "H W"]:
    """Return the entropy of the classes at each pixel, over the logarithm of their number: in [0, 1]."""
    count = len(probabilities)
    safe = np.where(probabilities > 0, probabilities, 1.0)  # 0 log 0 is 0
    values: Float[np.ndarray, "H W"] = -(probabilities * np.log(safe)).sum(axis=0) / np.log(
        max(count, 2)
    )
    return values


def disagreement(members: Sequence[Float[np.ndarray, "K H W"]]) -> Float[np.ndarray, "H W"]:
    """Return the disagreement of the members at each pixel, in [0, 1]; 0 if all have the same probabilities.

    Args:
        members: Probabilities of the classes, of one or more members.
    """
    mean = np.mean(members, axis=0)
    # Both terms are rounded, so that their difference may fall below 0.
    own = np.mean([entropy(one) for one in members], axis=0)
    apart: Float[np.ndarray, "H W"] = np.maximum(entropy(mean) - own, 0.0)
    return apart


def measure_uncertainty(members: Sequence[Float[np.ndarray, "K H W"]]) -> ImageUncertainty:
    """Measure the uncertainty about an image.

    Args:
        members: Probabilities of the classes, of one or more members.
    """
    mean = np.mean(members, axis=0)
    ids, count = mean.argmax(axis=0).ravel(), len(mean)
    apart = disagreement(members).astype(np.float64).ravel()
    return ImageUncertainty(
        np.bincount(ids, weights=apart, minlength=count),
        np.bincount(ids, minlength=count).astype(np.float64),
        float(entropy(mean).mean()),
    )


def class_weights(shares: Float[np.ndarray, " K"]) -> Float[np.ndarray, " K"]:
    """Return a weight per class, in inverse proportion to the root of its share; the mean over all pixels is 1.

    The root is that of `train.class_weights: inverse_sqrt`: by the share itself, a handful of pixels of a class that is
    hardly ever predicted would outweigh all others.

    Args:
        shares: Share of each class in the pixels of all images; a class without pixels gets the weight 0.

    Examples:
        >>> class_weights(np.array([0.64, 0.36, 0.0])).round(3).tolist()
        [0.893, 1.19, 0.0]
    """
    roots = np.sqrt(shares)
    weights = np.divide(1.0, roots, out=np.zeros_like(roots), where=roots > 0)
    total: Float[np.ndarray, " K"] = weights / roots.sum()
    return total


def balanced_uncertainty(measured: Sequence[ImageUncertainty]) -> Float[np.ndarray, " N"]:
    """Return the mean disagreement of each image, its pixels weighted by class; in [0, largest weight].

    Args:
        measured: Uncertainty of all images, whose predicted shares give the weights of the classes.
    """
    pixels = np.array([one.pixels for one in measured])
    weights = class_weights(pixels.sum(axis=0) / pixels.sum())
    sums = np.array([one.disagreement for one in measured])
    found: Float[np.ndarray, " N"] = sums @ weights / pixels.sum(axis=1)
    return found
