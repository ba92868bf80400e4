"""`scale`: a window of a training label map, enlarged to the size of the whole.

Only inwards. Zooming out would leave a rim to be filled, and a mirrored or stretched filling has contacts and shapes
that never occur in the data.
"""

from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ocrnet.gan.layouts.catalog import Catalog
from ocrnet.gan.layouts.operations.base_map import draw_base, open_base
from ocrnet.gan.layouts.operations.interface import (
    TRIES,
    Canvas,
    LayoutInputs,
    OperationResult,
    StepKind,
)
from ocrnet.gan.layouts.plausible import is_plausible, specks_of
from ocrnet.gan.layouts.regions import LabelMap, Numbers

ZOOM = (1.05, 1.3)


class Scale(TypedDict):
    """The window that is enlarged: [top, left, height, width] in pixels."""

    op: str
    box: list[int]


def draw_scale(rng: np.random.Generator, inputs: LayoutInputs) -> OperationResult:
    """Draw a base and a window of it whose components have sizes that occur in the data."""
    base = draw_base(rng, inputs)
    label_map = open_base(inputs.catalog, base)
    specks = specks_of(inputs.catalog, label_map)
    height, width = label_map.shape
    for _ in range(TRIES):
        zoom = float(rng.uniform(*ZOOM))
        sides = [max(round(height / zoom), 1), max(round(width / zoom), 1)]
        corner = [
            int(rng.integers(n - side + 1)) for n, side in zip((height, width), sides, strict=True)
        ]
        step = Scale(op="scale", box=[*corner, *sides])
        scaled, own = _zoom(label_map, step), _zoom(specks, step)
        if is_plausible(inputs.catalog, scaled, specks=own):
            return OperationResult(scaled, (base, step))
    return OperationResult(label_map, (base,), 1)


def _apply(catalog: Catalog, label_map: LabelMap, step: Scale) -> LabelMap:
    del catalog
    return _zoom(label_map, step)


def _number(catalog: Catalog, label_map: LabelMap, numbers: Numbers, step: Scale) -> Numbers:
    del catalog, label_map
    return _zoom(numbers, step)


def _zoom(values: npt.NDArray[Any], step: Scale) -> npt.NDArray[Any]:
    at = [positions.astype(np.int64) for positions in _sources(values.shape, step)]
    return values[np.ix_(*at)]


def _render(catalog: Catalog, canvas: Canvas, step: Scale) -> Canvas:
    del catalog
    at = np.meshgrid(*(p - 0.5 for p in _sources(canvas.shape, step)), indexing="ij")
    channels = [
        ndimage.map_coordinates(canvas[..., c], at, order=1, mode="nearest") for c in range(3)
    ]
    return np.stack(channels, axis=-1)


def _sources(shape: tuple[int, ...], step: Scale) -> list[Canvas]:
    """Return the source position of the middle of each row and column; pixel i covers the interval [i, i + 1)."""
    top, left, height, width = step["box"]
    return [
        start + (np.arange(size) + 0.5) * side / size
        for start, side, size in zip((top, left), (height, width), shape[:2], strict=True)
    ]


KIND = StepKind(_apply, _render, _number, None)
