"""Detection of near-duplicates: images that repeat the detail of a training image, not images that are only similar.

The feature vector of a whole image is not enough: on a tenth of CamVid a recoloured training image is farther from its
original than nine in ten generated images are from some training image. A copy has its original's detail at the same
places. Detail is the brightness of coarse cells minus its own blur, so that light, contrast and slow shading have no
effect, and noise or a little blur has little.

Two images of one layout have much in common even if neither is a copy: each class has its colours. So the part that is
a linear function of the original's label map is removed from both, and the rest is compared. Images are also compared
mirrored: a generator that was trained with mirrored images may repeat those.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, UInt8
from PIL import Image
from scipy.ndimage import gaussian_filter

GRID = (
    40,
    40,
)  # cells: fine enough for the texture of objects, too coarse for noise and blur of a pixel
BLUR = 2.0  # standard deviation in cells
GREY = np.array([0.299, 0.587, 0.114])  # weights of RGB, ITU-R BT.601
FLAT = 1e-3  # root mean square in grey levels; below it, detail is a rounding error
LEAST_SPREAD = 1e-5  # of the largest singular value; a smaller one is a rounding error

Pixels = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float64]


class Original(NamedTuple):
    """The image whose detail another image repeats most.

    Args:
        id: Id of the original.
        mirrored: Whether the other image repeats it mirrored left to right.
        own: Share of the other image's detail that is not the original's, in [0, 1]; 0 for an exact copy.
    """

    id: str
    mirrored: bool
    own: float


def nearest_originals(
    images: Iterable[tuple[str, Pixels]], originals: Iterable[tuple[tuple[str, Pixels], Pixels]]
) -> dict[str, Original]:
    """Return, by the id of each image, the original whose detail it repeats most.

    Args:
        images: Ids and RGB images.
        originals: Ids and RGB images, each with its label map; only one is in memory at a time.
    """
    details = {name: detail(image) for name, image in images}
    if not details:
        return {}
    stack = np.stack(list(details.values()))
    ways = {False: stack.reshape(len(stack), -1), True: stack[:, :, ::-1].reshape(len(stack), -1)}
    least, best = np.full(len(stack), np.inf), [Original("", False, 1.0)] * len(stack)
    for (name, image), label_map in originals:
        known, layout = detail(image).ravel(), layout_span(label_map)
        for mirrored, rows in ways.items():
            shares = own_shares(rows, known, layout)
            for index in np.flatnonzero(shares < least).tolist():
                best[index] = Original(name, mirrored, float(shares[index]))
            least = np.minimum(least, shares)
    return dict(zip(details, best, strict=True)) if best[0].id else {}


def near_copies(originals: Mapping[str, Original], *, least_own: float) -> dict[str, Original]:
    """Return the originals of the images that are copies, by the id of the copy.

    Args:
        originals: Result of `nearest_originals`.
        least_own: Smallest share of own detail, in [0, 1], of an image that is not a copy.
    """
    return {item: original for item, original in originals.items() if original.own < least_own}


def detail(image: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, "R C"]:
    """Return the detail of an image, in grey levels."""
    return _detail(image @ GREY)


def layout_span(label_map: UInt8[np.ndarray, "H W"]) -> Float[np.ndarray, "D K"]:
    """Return orthonormal columns that span the detail of all images with one grey per class of a label map."""
    planes = [_detail(255.0 * (label_map == i)).ravel() for i in np.unique(label_map)]
    columns, spreads, _ = np.linalg.svd(np.stack(planes, axis=1), full_matrices=False)
    return np.asarray(columns[:, spreads > max(LEAST_SPREAD * spreads[0], FLAT)])


def own_shares(
    details: Float[np.ndarray, "N D"], original: Float[np.ndarray, " D"], layout: Float[np.ndarray, "D K"]
) -> Float[np.ndarray, " N"]:  # fmt: skip
    """Return 1 minus the squared partial correlation of each detail with the original's detail, given its layout.

    Of the variance that the layout does not explain, it is the share that the original's detail does not explain
    either. The negative of the original's detail counts as own detail. If the layout explains both details entirely,
    they cannot be distinguished, and the share is 0.
    """
    rest = original - layout @ (layout.T @ original)
    powers = (details**2).sum(axis=1) - ((details @ layout) ** 2).sum(axis=1)
    power, flat = float(rest @ rest), FLAT**2 * original.size
    if power < flat:
        return np.where(powers < flat, 0.0, 1.0)
    # The rest is orthogonal to the layout's span, so the details need no projection here.
    common = np.maximum(details @ rest, 0.0) ** 2 / (np.maximum(powers, flat) * power)
    return np.asarray(np.clip(1.0 - common, 0.0, 1.0))


def _detail(plane: npt.NDArray[np.float64]) -> Values:
    cells = Image.fromarray(plane.astype(np.float32)).resize(GRID[::-1], Image.Resampling.BOX)
    values = np.asarray(cells, dtype=np.float64)
    return np.asarray(values - gaussian_filter(values, BLUR))
