"""`warp`: smooth deformation of single things of a training label map; uncovered pixels are filled from around.

It cannot be composed from real pixels: no image shows what is behind the thing.
"""

from typing import TypedDict

import numpy as np
from scipy import ndimage

from ocrnet.gan.layouts.catalog import Catalog
from ocrnet.gan.layouts.class_components import AREA_CAP, LEAST_AREA
from ocrnet.gan.layouts.operations.base_map import draw_base, open_base
from ocrnet.gan.layouts.operations.interface import (
    TRIES,
    Canvas,
    LayoutInputs,
    OperationResult,
    StepKind,
)
from ocrnet.gan.layouts.plausible import is_plausible, specks_of
from ocrnet.gan.layouts.regions import (
    EIGHT,
    LabelMap,
    Numbers,
    Region,
    Values,
    components,
    fill_nearest,
    parts_of,
    table_of,
)

KNOTS = 4  # rows and columns of knots over the box of the object
SHIFT = 0.15  # standard deviation of a knot's shift, in square roots of the object's area
LEAST_SHIFT = 1.0  # pixels


class Warp(TypedDict):
    """The component `number` of `class_id` after the previous steps, and the shift [y, x] in pixels at each knot."""

    op: str
    class_id: int
    number: int
    shifts: list[list[list[float]]]


def draw_warp(rng: np.random.Generator, inputs: LayoutInputs) -> OperationResult:
    """Draw a base and warps of its objects."""
    base = draw_base(rng, inputs)
    label_map = open_base(inputs.catalog, base)
    wanted = int(rng.integers(inputs.params.pastes[0], inputs.params.pastes[1] + 1))
    specks = specks_of(inputs.catalog, label_map)
    warps: list[Warp] = []
    for _ in range(wanted):
        for _ in range(TRIES):
            step = _draw_step(rng, inputs, label_map)
            warped = label_map if step is None else _apply(inputs.catalog, label_map, step)
            if step is None or np.array_equal(warped, label_map):
                continue
            if is_plausible(inputs.catalog, warped, specks=specks):
                label_map = warped
                warps.append(step)
                break
    return OperationResult(label_map, (base, *warps), wanted - len(warps))


def _draw_step(rng: np.random.Generator, inputs: LayoutInputs, label_map: LabelMap) -> Warp | None:
    """Draw an object by the weight of its class and the square root of its area, and its deformation."""
    least, most = LEAST_AREA * label_map.size, AREA_CAP * label_map.size
    found = [
        (class_id, number, int(region.sum()))
        for class_id, region, number, _ in components(
            label_map, inputs.catalog.classes.ignore_index
        )
        if class_id in inputs.weights.of_object and least <= region.sum() <= most
    ]
    if not found:
        return None
    weights = np.array(
        [inputs.weights.of_object[class_id] * area**0.5 for class_id, _, area in found]
    )
    class_id, number, area = found[int(rng.choice(len(found), p=weights / weights.sum()))]
    deviation = max(SHIFT * area**0.5, LEAST_SHIFT)
    shifts = rng.normal(0.0, deviation, (KNOTS, KNOTS, 2)).round(2)
    return Warp(op="warp", class_id=class_id, number=number, shifts=shifts.tolist())


def _apply(catalog: Catalog, label_map: LabelMap, step: Warp) -> LabelMap:
    """Deform the object, and fill the uncovered pixels."""
    found = _regions(catalog, label_map, step)
    if found is None:
        return label_map
    own, bent, allowed = found
    warped = fill_nearest(label_map, own & ~bent, allowed & ~bent)
    warped[bent] = step["class_id"]
    return warped


def _number(catalog: Catalog, label_map: LabelMap, numbers: Numbers, step: Warp) -> Numbers:
    found = _regions(catalog, label_map, step)
    if found is None:
        return numbers
    own, bent, allowed = found
    _, boxes = parts_of(label_map == step["class_id"])
    warped = fill_nearest(numbers, own & ~bent, allowed & ~bent)
    inside = np.where(own, numbers, np.int32(0))
    warped[bent] = _bend(inside, boxes[step["number"] - 1], np.array(step["shifts"]))[bent]
    return warped


def _changed(catalog: Catalog, label_map: LabelMap, step: Warp) -> Region:
    """Return the object before and after: what is inside it is deformed, too."""
    found = _regions(catalog, label_map, step)
    return np.zeros(label_map.shape, np.bool_) if found is None else found[0] | found[1]


def _regions(
    catalog: Catalog, label_map: LabelMap, step: Warp
) -> tuple[Region, Region, Region] | None:
    """Return the object, the deformed object and the pixels that it may cover; None if nothing can change.

    Only classes that often surround its class are covered.
    """
    class_id = step["class_id"]
    parts, boxes = parts_of(label_map == class_id)
    own = parts == step["number"]
    allowed = table_of(sorted(catalog.support(class_id) - {class_id}))[label_map]
    if not allowed.any():
        return None
    bent = _bend(own, boxes[step["number"] - 1], np.array(step["shifts"])) & (own | allowed)
    numbered, count = ndimage.label(bent, EIGHT)
    if count == 0:
        return None
    return own, numbered == 1 + int(np.bincount(numbered.ravel())[1:].argmax()), allowed


def _bend(own: Values, box: tuple[slice, slice], shifts: Canvas) -> Values:
    """Return a region, or the numbers in it, deformed by the shifts, which are interpolated smoothly between knots."""
    reach = int(np.ceil(np.abs(shifts).max())) + 1
    rows, columns = (
        slice(max(s.start - reach, 0), min(s.stop + reach, size))
        for s, size in zip(box, own.shape, strict=True)
    )
    window = own[rows, columns]
    y, x = np.meshgrid(*(np.arange(n, dtype=np.float64) for n in window.shape), indexing="ij")
    knots = [g / max(n - 1, 1) * (KNOTS - 1) for g, n in zip((y, x), window.shape, strict=True)]
    dy, dx = (
        ndimage.map_coordinates(shifts[..., axis], knots, order=3, mode="nearest")
        for axis in range(2)
    )
    # Beyond the window its edge is repeated: an object that the image's edge cuts stays at the edge.
    taken = ndimage.map_coordinates(
        window.astype(np.int32), np.stack([y + dy, x + dx]), order=0, mode="nearest"
    )
    bent: Values = np.zeros_like(own)
    bent[rows, columns] = taken.astype(own.dtype)
    return bent


KIND = StepKind(_apply, None, _number, _changed)
