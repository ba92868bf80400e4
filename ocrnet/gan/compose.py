"""What the steps of a layout make: its label map, and its image from the pixels of its real parents.

The steps are plain data and say everything, which is how a synthesized pair is traced and rebuilt. The image
is copy-paste without a GAN, the rival that the GAN has to beat.
"""

from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ocrnet.data.decode import read_image
from ocrnet.gan.catalog import Catalog, Component, LabelMap, Region

Image = npt.NDArray[np.uint8]

FEATHER = 0.6  # pixels, deviation of the blurred edge; more of it brings along a rim of the parent


class Base(TypedDict):
    """The label map that a layout starts from."""

    op: str
    id: str
    flip: bool


class Paste(TypedDict):
    """An object put onto it: the component `number` of `class_id` in image `id`, top left corner at `at`."""

    op: str
    id: str
    class_id: int
    number: int
    flip: bool
    angle: float
    at: list[int]


@dataclass(frozen=True)
class Layout:
    """A label map and how it came about.

    Args:
        label_map: class ids.
        operation: the name in `OPERATIONS`.
        steps: what `apply_steps` makes the label map from.
        seed: what the steps, and later the painting, are drawn from.
        unplaced: objects that found no place.
    """

    label_map: LabelMap
    operation: str
    base: Base
    pastes: tuple[Paste, ...]
    seed: int
    unplaced: int = 0

    @property
    def parents(self) -> list[str]:
        """The ids of the training images it is made of, the base first."""
        return list(dict.fromkeys([self.base["id"], *(paste["id"] for paste in self.pastes)]))

    @property
    def steps(self) -> list[Any]:
        """The steps as plain data."""
        return [self.base, *self.pastes]


def apply_steps(catalog: Catalog, base: Base, pastes: tuple[Paste, ...] | list[Paste]) -> LabelMap:
    """Make a label map from its steps."""
    label_map = catalog.label_map(base["id"])
    label_map = np.ascontiguousarray(label_map[:, ::-1] if base["flip"] else label_map)
    label_map = label_map.copy()
    for paste in pastes:
        covered = place(object_region(catalog, paste), label_map.shape, paste["at"])
        label_map[covered] = paste["class_id"]
    return label_map


def object_region(catalog: Catalog, paste: Paste) -> Region:
    """Return the region of a pasted object in its own box, flipped and turned."""
    return turn(catalog.region(component_of(paste)), flip=paste["flip"], angle=paste["angle"])


def turn(region: Region, *, flip: bool, angle: float) -> Region:
    """Flip a region left to right, then turn it by `angle` degrees to the nearest pixel."""
    region = region[:, ::-1] if flip else region
    if angle == 0.0:
        return region
    # A margin of one pixel: what lies outside the box counts as not covered.
    padded = np.pad(region, 1).astype(np.uint8)
    turned: npt.NDArray[np.uint8] = ndimage.rotate(padded, angle, order=0, reshape=True)
    return turned.astype(np.bool_)


def place(region: Region, shape: tuple[int, ...], at: list[int]) -> Region:
    """Return a region of an image of `shape` with `region`'s top left corner at `at`; what sticks out is cut."""
    covered = np.zeros(shape, dtype=np.bool_)
    top, left = at
    rows = slice(max(top, 0), max(min(top + region.shape[0], shape[0]), 0))
    columns = slice(max(left, 0), max(min(left + region.shape[1], shape[1]), 0))
    covered[rows, columns] = region[
        rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
    ]
    return covered


def compose(catalog: Catalog, layout: Layout) -> Image:
    """Return the image (H, W, 3) of a layout: its base's pixels with its objects' pixels blended in.

    An object's own pixels are taken whole; the blend is outside it, so thin objects do not fade.
    """
    image = read_image(catalog.image_path(layout.base["id"]))
    canvas = (image[:, ::-1] if layout.base["flip"] else image).astype(np.float64)
    for paste in layout.pastes:
        _blend(catalog, paste, canvas)
    return np.rint(np.clip(canvas, 0.0, 255.0)).astype(np.uint8)


def _blend(catalog: Catalog, paste: Paste, canvas: npt.NDArray[np.float64]) -> None:
    margin = int(np.ceil(3 * FEATHER))
    region = np.pad(object_region(catalog, paste), margin)
    patch = _patch(catalog, paste, region.shape)
    outside = ndimage.gaussian_filter(region.astype(np.float64), FEATHER)
    alpha = np.where(region, 1.0, outside)
    top, left = (at - margin for at in paste["at"])
    rows = slice(max(top, 0), min(top + region.shape[0], canvas.shape[0]))
    columns = slice(max(left, 0), min(left + region.shape[1], canvas.shape[1]))
    part = (
        slice(rows.start - top, rows.stop - top),
        slice(columns.start - left, columns.stop - left),
    )
    weight = alpha[part][..., None]
    canvas[rows, columns] = weight * patch[part] + (1.0 - weight) * canvas[rows, columns]


def _patch(catalog: Catalog, paste: Paste, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Return the parent's pixels around the object, flipped and turned as it is, centred in `shape`."""
    image = read_image(catalog.image_path(paste["id"])).astype(np.float64)
    rows, columns = catalog.box(component_of(paste))
    # Wide enough to fill the turned window from real pixels; beyond the image its edge is mirrored.
    reach = int(np.ceil(np.hypot(shape[0], shape[1])))
    padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), mode="symmetric")
    middle = ((rows.start + rows.stop) / 2, (columns.start + columns.stop) / 2)
    offsets = [np.arange(n) - (n - 1) / 2 for n in shape]
    y, x = np.meshgrid(*offsets, indexing="ij")
    radians = np.deg2rad(paste["angle"])
    # The inverse of ndimage.rotate's turn, about the middle of the box; then the flip, which came first.
    source_y = y * np.cos(radians) + x * np.sin(radians)
    source_x = -y * np.sin(radians) + x * np.cos(radians)
    if paste["flip"]:
        source_x = -source_x
    at = np.stack([source_y + middle[0] - 0.5 + reach, source_x + middle[1] - 0.5 + reach])
    channels = [ndimage.map_coordinates(padded[..., c], at, order=1) for c in range(3)]
    return np.stack(channels, axis=-1)


def component_of(paste: Paste) -> Component:
    """Return the component that a pasted object was cut from, by its address."""
    return Component(paste["id"], paste["class_id"], paste["number"], 0, (0.0, 0.0))
