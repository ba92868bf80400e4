"""`warp`: objects of a training label map bent smoothly, each on its own; what they uncover is filled from around.

It cannot be composed from real pixels: no image shows what is behind the object.
"""

from typing import TypedDict

import numpy as np
from scipy import ndimage

from ocrnet.gan.layouts.catalog import AREA_CAP, LEAST_AREA, Catalog
from ocrnet.gan.layouts.operation import TRIES, Canvas, Drawn, Plan, StepKind
from ocrnet.gan.layouts.operations.base import draw_base, open_base
from ocrnet.gan.layouts.plausible import is_plausible, specks_of
from ocrnet.gan.layouts.regions import (
    EIGHT,
    LabelMap,
    Region,
    components,
    fill_nearest,
    parts_of,
    table_of,
)

KNOTS = 4  # by 4, over the box of the object, at which it is shifted
SHIFT = 0.15  # standard deviation of a knot's shift, as a share of the root of the object's area
LEAST_SHIFT = 1.0  # pixels


class Warp(TypedDict):
    """The component `number` of `class_id` in the label map so far, and the shift [y, x] at each knot, in pixels."""

    op: str
    class_id: int
    number: int
    shifts: list[list[list[float]]]


def draw_warp(rng: np.random.Generator, plan: Plan) -> Drawn:
    """Draw a base and warps of its objects."""
    base = draw_base(rng, plan)
    label_map = open_base(plan.catalog, base)
    wanted = int(rng.integers(plan.params.pastes[0], plan.params.pastes[1] + 1))
    specks = specks_of(plan.catalog, label_map)
    warps: list[Warp] = []
    for _ in range(wanted):
        for _ in range(TRIES):
            step = _draw_step(rng, plan, label_map)
            warped = label_map if step is None else _apply(plan.catalog, label_map, step)
            if step is None or np.array_equal(warped, label_map):
                continue
            if is_plausible(plan.catalog, warped, specks=specks):
                label_map = warped
                warps.append(step)
                break
    return Drawn(label_map, (base, *warps), wanted - len(warps))


def _draw_step(rng: np.random.Generator, plan: Plan, label_map: LabelMap) -> Warp | None:
    """Draw an object by the odds of its class and the square root of its area, and how it is bent."""
    least, most = LEAST_AREA * label_map.size, AREA_CAP * label_map.size
    found = [
        (class_id, number, int(region.sum()))
        for class_id, region, number, _ in components(label_map, plan.catalog.classes.ignore_index)
        if class_id in plan.odds.of_object and least <= region.sum() <= most
    ]
    if not found:
        return None
    odds = np.array([plan.odds.of_object[class_id] * area**0.5 for class_id, _, area in found])
    class_id, number, area = found[int(rng.choice(len(found), p=odds / odds.sum()))]
    deviation = max(SHIFT * area**0.5, LEAST_SHIFT)
    shifts = rng.normal(0.0, deviation, (KNOTS, KNOTS, 2)).round(2)
    return Warp(op="warp", class_id=class_id, number=number, shifts=shifts.tolist())


def _apply(catalog: Catalog, label_map: LabelMap, step: Warp) -> LabelMap:
    """Bend the object; it covers only what commonly surrounds its class, and that alone fills what it leaves."""
    class_id = step["class_id"]
    parts, boxes = parts_of(label_map == class_id)
    own = parts == step["number"]
    allowed = table_of(sorted(catalog.support(class_id) - {class_id}))[label_map]
    if not allowed.any():
        return label_map
    bent = _bend(own, boxes[step["number"] - 1], np.array(step["shifts"])) & (own | allowed)
    numbered, count = ndimage.label(bent, EIGHT)
    if count == 0:
        return label_map
    bent = numbered == 1 + int(np.bincount(numbered.ravel())[1:].argmax())
    warped = fill_nearest(label_map, own & ~bent, allowed & ~bent)
    warped[bent] = class_id
    return warped


def _bend(own: Region, box: tuple[slice, slice], shifts: Canvas) -> Region:
    """Return the region with each pixel taken from where the shifts, smooth between knots, point."""
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
    # Beyond the window its edge is repeated: an object cut off by the image's edge stays at it.
    taken = ndimage.map_coordinates(
        window.astype(np.uint8), np.stack([y + dy, x + dx]), order=0, mode="nearest"
    )
    bent = np.zeros_like(own)
    bent[rows, columns] = taken.astype(np.bool_)
    return bent


KIND = StepKind(_apply, None)
