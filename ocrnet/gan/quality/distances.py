"""Distances between two sets of feature vectors: KID, and FID because it is widely known.

KID is the squared maximum mean discrepancy with the kernel (x.y / D + 1)^3 (arXiv:1801.01401). Its estimate is
unbiased, so it may be below 0; use it if there are fewer than a few thousand images. FID is the Frechet distance of the
Gaussians fitted to the sets (arXiv:1706.08500). With few images it is far too large, by an amount that depends on their
number, so FIDs of different numbers of images cannot be compared.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from jaxtyping import Float

SUBSETS = 50
LARGEST_SUBSET = 1000

Vectors = Float[np.ndarray, "N D"]


class Spread(NamedTuple):
    """A mean and the standard deviation of the averaged values."""

    mean: float
    sd: float


def kid(real: Float[np.ndarray, "N D"], fake: Float[np.ndarray, "M D"], *, seed: int) -> Spread:
    """Return the KID of two sets: mean and deviation over random subsets of half the smaller set, at most 1000.

    Raises:
        ValueError: A set has fewer than four vectors.
    """
    size = min(min(len(real), len(fake)) // 2, LARGEST_SUBSET)
    if size < 2:
        raise ValueError(f"KID: found {len(real)} and {len(fake)} vectors, each set needs four.")
    rng = np.random.default_rng(seed)
    values = [
        squared_mmd(
            real[rng.choice(len(real), size, replace=False)],
            fake[rng.choice(len(fake), size, replace=False)],
        )
        for _ in range(SUBSETS)
    ]
    return Spread(float(np.mean(values)), float(np.std(values, ddof=1)))


def squared_mmd(first: Float[np.ndarray, "N D"], second: Float[np.ndarray, "M D"]) -> float:
    """Return the unbiased estimate of the squared maximum mean discrepancy with the cubic kernel."""
    x, y = first.astype(np.float64), second.astype(np.float64)
    within = [_mean_off_diagonal(_kernel(side, side)) for side in (x, y)]
    return float(sum(within) - 2 * _kernel(x, y).mean())


def fid(real: Float[np.ndarray, "N D"], fake: Float[np.ndarray, "M D"]) -> float:
    """Return |m1 - m2|^2 + Tr(S1 + S2 - 2 (S1 S2)^0.5) of the means and covariances of two sets.

    With S = A^T A, the eigenvalues of S1 S2 are the squares of the singular values of A1 A2^T. This avoids the root of
    a matrix that is nearly singular where there are fewer images than features.

    Raises:
        ValueError: A set has fewer than two vectors.
    """
    if min(len(real), len(fake)) < 2:
        raise ValueError(f"FID: found {len(real)} and {len(fake)} vectors, each set needs two.")
    x, y = real.astype(np.float64), fake.astype(np.float64)
    apart = float(((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum())
    roots = [_root_of_covariance(side) for side in (x, y)]
    traces = sum(float((root**2).sum()) for root in roots)
    common = float(np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum())
    return max(apart + traces - 2 * common, 0.0)


def _kernel(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray((x @ y.T / x.shape[1] + 1.0) ** 3)


def _mean_off_diagonal(kernel: npt.NDArray[np.float64]) -> float:
    count = len(kernel)
    return float((kernel.sum() - np.trace(kernel)) / (count * (count - 1)))


def _root_of_covariance(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return A such that A^T A is the covariance; A has at most D rows."""
    centred = (vectors - vectors.mean(axis=0)) / np.sqrt(len(vectors) - 1)
    return (
        centred if len(centred) <= centred.shape[1] else np.asarray(np.linalg.qr(centred, mode="r"))
    )
