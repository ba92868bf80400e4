"""Whether an image repeats the detail of another one: a copy does, a painting that is merely similar does not.

The feature vector of a whole image cannot do that: on a tenth of CamVid a recoloured training image is farther from its
original than nine in ten honest paintings are from some training image. A copy has its original's detail at the same
places. Detail is the brightness of coarse cells less its own blur, so that light, contrast and slow shading count for
nothing and noise or a little blur for little.

Of two pictures of one layout much is equal without either being a copy: each class has its colours. So what a linear
map of the original's label map can give is taken out of both, and the rest is compared. Images are compared mirrored,
too: a generator that was trained with mirrored images repeats those as readily.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, UInt8
from PIL import Image
from scipy.ndimage import gaussian_filter

GRID = (40, 40)  # cells: fine for the texture of objects, coarse for noise and blur of a pixel
BLUR = 2.0  # cells
GREY = np.array([0.299, 0.587, 0.114])  # of RGB, ITU-R BT.601
FLAT = 1e-3  # grey levels, root mean square: rounding, no detail
LEAST_SPREAD = 1e-5  # of the widest direction; a narrower one of a label map is rounding

Pixels = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float64]


class Original(NamedTuple):
    """The image whose detail another one repeats most.

    Args:
        id: Id of the original.
        mirrored: Whether it is repeated left to right.
        own: Share of the other image's detail that is not the original's, in [0, 1]; 0 of an exact copy.
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
        originals: Ids and RGB images, each with its label map; only one is held at a time.
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
    """Return, by id, the originals of the images that are copies.

    Args:
        originals: Result of `nearest_originals`.
        least_own: Share of its detail that an image has to have of its own.
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
    """Return one less the squared partial correlation of each detail with that of an original, given its layout.

    It is the share of the detail's variance that neither the original's detail nor its layout accounts for, of what the
    layout leaves. A detail that is the negative of the original's is its own. Two that the layout leaves nothing of
    cannot be told apart: the share is 0.
    """
    rest = original - layout @ (layout.T @ original)
    powers = (details**2).sum(axis=1) - ((details @ layout) ** 2).sum(axis=1)
    power, flat = float(rest @ rest), FLAT**2 * original.size
    if power < flat:
        return np.where(powers < flat, 0.0, 1.0)
    # The rest has no part in the layout's span, so neither has to be taken from the details here.
    common = np.maximum(details @ rest, 0.0) ** 2 / (np.maximum(powers, flat) * power)
    return np.asarray(np.clip(1.0 - common, 0.0, 1.0))


def _detail(plane: npt.NDArray[np.float64]) -> Values:
    cells = Image.fromarray(plane.astype(np.float32)).resize(GRID[::-1], Image.Resampling.BOX)
    values = np.asarray(cells, dtype=np.float64)
    return np.asarray(values - gaussian_filter(values, BLUR))
