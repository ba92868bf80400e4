"""A pasted object: a component of a training label map, with its pixels, at another place."""

from typing import TypedDict

import numpy as np
from scipy import ndimage

from ocrnet.data.decode import read_image
from ocrnet.gan.layouts.catalog import Catalog
from ocrnet.gan.layouts.class_components import Component
from ocrnet.gan.layouts.operations.interface import Canvas, StepKind
from ocrnet.gan.layouts.regions import LabelMap, Numbers, Region, below, table_of

STANDING = (
    0.5  # share of the pixels right below an object that must be of a class that it stands on
)
FEATHER = (
    0.6  # pixels, deviation of the blurred edge; a larger one copies a rim of the parent image
)


class Paste(TypedDict):
    """The component `number` of `class_id` in image `id`: flipped, zoomed, rotated, top left corner at `at`."""

    op: str
    id: str
    class_id: int
    number: int
    flip: bool
    zoom: float
    angle: float
    at: list[int]


def covered_by(
    catalog: Catalog, paste: Paste, label_map: LabelMap, carriers: list[int]
) -> Region | None:
    """Return the pixels that a pasted object covers.

    None if it is outside the image, covers an id that is not one of `carriers`, or does not stand on the classes
    that its class usually stands on.
    """
    covered = place(object_region(catalog, paste), label_map.shape, paste["at"])
    if not covered.any() or not table_of(carriers)[label_map[covered]].all():
        return None
    ground = table_of(sorted(catalog.stands_on(paste["class_id"])))[label_map[below(covered)]]
    return covered if not ground.size or ground.mean() >= STANDING else None


def object_region(catalog: Catalog, paste: Paste) -> Region:
    """Return the mask of a pasted object within its box, flipped, zoomed and rotated."""
    return _turned(catalog.region(component_of(paste)), paste)


def _turned(region: Region, paste: Paste) -> Region:
    return turn(region, flip=paste["flip"], zoom=paste["zoom"], angle=paste["angle"])


def turn(region: Region, *, flip: bool, angle: float, zoom: float = 1.0) -> Region:
    """Flip a region left to right, zoom it, then rotate it by `angle` degrees, by nearest neighbour."""
    region = region[:, ::-1] if flip else region
    if zoom != 1.0:
        height, width = _zoomed(region.shape, zoom)
        rows = ((np.arange(height) + 0.5) * region.shape[0] / height).astype(np.int64)
        columns = ((np.arange(width) + 0.5) * region.shape[1] / width).astype(np.int64)
        region = region[np.ix_(rows, columns)]
    if angle == 0.0:
        return region
    # A margin of one pixel: pixels outside the box are not covered.
    padded = np.pad(region, 1).astype(np.uint8)
    return np.asarray(ndimage.rotate(padded, angle, order=0, reshape=True), dtype=np.bool_)


def place(region: Region, shape: tuple[int, ...], at: list[int]) -> Region:
    """Return the mask of an image of `shape` with the top left corner of `region` at `at`; the rest is cut off."""
    covered = np.zeros(shape, dtype=np.bool_)
    top, left = at
    rows = slice(max(top, 0), max(min(top + region.shape[0], shape[0]), 0))
    columns = slice(max(left, 0), max(min(left + region.shape[1], shape[1]), 0))
    covered[rows, columns] = region[
        rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
    ]
    return covered


def component_of(paste: Paste) -> Component:
    """Return the component that a pasted object was cut from, without its area and centre."""
    return Component(paste["id"], paste["class_id"], paste["number"], 0, (0.0, 0.0))


def _zoomed(shape: tuple[int, ...], zoom: float) -> tuple[int, int]:
    return max(round(shape[0] * zoom), 1), max(round(shape[1] * zoom), 1)


def _apply(catalog: Catalog, label_map: LabelMap, paste: Paste) -> LabelMap:
    pasted = label_map.copy()
    pasted[_covered(catalog, label_map, paste)] = paste["class_id"]
    return pasted


def _covered(catalog: Catalog, label_map: LabelMap, paste: Paste) -> Region:
    return place(object_region(catalog, paste), label_map.shape, paste["at"])


def _number(catalog: Catalog, label_map: LabelMap, numbers: Numbers, paste: Paste) -> Numbers:
    """Give each object of the pasted component a new number; what it covers keeps its visible part."""
    component = component_of(paste)
    region = catalog.region(component)
    parent = catalog.instances.numbers(paste["id"])[catalog.box(component)]
    covered = place(_turned(region, paste), label_map.shape, paste["at"])
    pasted = np.where(covered, np.int32(0), numbers)
    used = int(numbers.max(initial=0))
    # Objects of one class that touch are one component.
    for new, own in enumerate(np.unique(parent[region & (parent > 0)]).tolist(), start=used + 1):
        part = _turned(region & (parent == own), paste)
        pasted[place(part, label_map.shape, paste["at"])] = new
    return pasted


def _render(catalog: Catalog, canvas: Canvas, paste: Paste) -> Canvas:
    """Paste the object's pixels; only pixels outside it are blended, so that thin objects do not fade."""
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
    blended = canvas.copy()
    blended[rows, columns] = weight * patch[part] + (1.0 - weight) * canvas[rows, columns]
    return blended


def _patch(catalog: Catalog, paste: Paste, shape: tuple[int, ...]) -> Canvas:
    """Return the parent's pixels around the object, flipped, zoomed and rotated alike, centred in `shape`."""
    image = read_image(catalog.image_path(paste["id"])).astype(np.float64)
    rows, columns = catalog.box(component_of(paste))
    size = (rows.stop - rows.start, columns.stop - columns.start)
    scale = [new / old for new, old in zip(_zoomed(size, paste["zoom"]), size, strict=True)]
    # Wide enough to fill the rotated window from real pixels; beyond its edge the image is mirrored.
    reach = int(np.ceil(np.hypot(shape[0], shape[1]) / min(scale)))
    padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), mode="symmetric")
    middle = ((rows.start + rows.stop) / 2, (columns.start + columns.stop) / 2)
    offsets = [np.arange(n) - (n - 1) / 2 for n in shape]
    y, x = np.meshgrid(*offsets, indexing="ij")
    radians = np.deg2rad(paste["angle"])
    # The inverse order: ndimage.rotate's rotation about the middle of the box, the zoom, the flip.
    source_y = (y * np.cos(radians) + x * np.sin(radians)) / scale[0]
    source_x = (-y * np.sin(radians) + x * np.cos(radians)) / scale[1]
    if paste["flip"]:
        source_x = -source_x
    at = np.stack([source_y + middle[0] - 0.5 + reach, source_x + middle[1] - 0.5 + reach])
    channels = [ndimage.map_coordinates(padded[..., c], at, order=1) for c in range(3)]
    return np.stack(channels, axis=-1)


KIND = StepKind(_apply, _render, _number, _covered)
