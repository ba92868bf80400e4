"""Precision, recall, density and coverage (arXiv:1904.06991, arXiv:2002.09797).

The manifold of a set is the union of balls around its vectors; the radius of a ball is the distance to the k-th nearest
vector of the set. Precision is the share of fake vectors inside the real manifold, recall the share of real vectors
inside the fake manifold. Density is the mean number of real balls that contain a fake vector, divided by k: above 1
where fakes are dense. Coverage is the share of real balls that contain a fake vector; a few outliers cannot raise it.
"""

import numpy as np
import numpy.typing as npt
from jaxtyping import Float
from scipy.spatial.distance import cdist

PRECISION_K, DENSITY_K = 3, 5
LEAST_VECTORS = DENSITY_K + 1


def precision_recall_density_coverage(
    real: Float[np.ndarray, "N D"],
    fake: Float[np.ndarray, "M D"],
    *,
    k: int = PRECISION_K,
    density_k: int = DENSITY_K,
) -> dict[str, float]:
    """Return the four shares by name.

    Args:
        real: Vectors of real images.
        fake: Vectors of generated images.
        k: Number of neighbours for precision and recall.
        density_k: Number of neighbours for density and coverage.

    Raises:
        ValueError: A set has no k-th neighbour.
    """
    if min(len(real), len(fake)) <= max(k, density_k):
        raise ValueError(
            f"coverage: found {len(real)} and {len(fake)} vectors, each set needs more than {max(k, density_k)}."
        )
    x, y = real.astype(np.float64), fake.astype(np.float64)
    across, within_real, within_fake = cdist(x, y), cdist(x, x), cdist(y, y)
    wide = across <= _radii(within_real, density_k)[:, None]
    return {
        "precision": float((across <= _radii(within_real, k)[:, None]).any(axis=0).mean()),
        "recall": float((across <= _radii(within_fake, k)[None]).any(axis=1).mean()),
        "density": float(wide.sum() / (density_k * len(fake))),
        "coverage": float(wide.any(axis=1).mean()),
    }


def _radii(distances: npt.NDArray[np.float64], k: int) -> npt.NDArray[np.float64]:
    """Return the distance of each vector to its k-th neighbour; its 0-th neighbour is itself."""
    return np.asarray(np.partition(distances, k, axis=1)[:, k])
