"""`train` and `flip`: a training label map as it is, or mirrored. Every layout starts from such a base."""

from typing import TypedDict

import numpy as np

from ocrnet.data.decode import read_image
from ocrnet.gan.layouts.catalog import Catalog
from ocrnet.gan.layouts.operations.interface import Canvas, LayoutInputs, OperationResult, StepKind
from ocrnet.gan.layouts.regions import LabelMap, Numbers


class Base(TypedDict):
    """The label map that a layout starts from."""

    op: str
    id: str
    flip: bool


def draw_base(rng: np.random.Generator, inputs: LayoutInputs, *, flip: bool | None = None) -> Base:
    """Draw a base by the hardness of its classes; if `flip` is None, it is mirrored with probability 0.5."""
    image_id = inputs.weights.draw_image(rng, inputs.catalog)
    return Base(op="base", id=image_id, flip=bool(rng.integers(2)) if flip is None else flip)


def draw_train(rng: np.random.Generator, inputs: LayoutInputs) -> OperationResult:
    """Draw a training label map as it is: only the generated image is new."""
    return _alone(inputs, draw_base(rng, inputs, flip=False))


def draw_flip(rng: np.random.Generator, inputs: LayoutInputs) -> OperationResult:
    """Draw a mirrored training label map."""
    return _alone(inputs, draw_base(rng, inputs, flip=True))


def open_base(catalog: Catalog, base: Base) -> LabelMap:
    """Return a writable copy of the label map of a base."""
    label_map = catalog.label_map(base["id"])
    return (label_map[:, ::-1] if base["flip"] else label_map).copy()


def _alone(inputs: LayoutInputs, base: Base) -> OperationResult:
    return OperationResult(open_base(inputs.catalog, base), (base,))


def _apply(catalog: Catalog, label_map: LabelMap, base: Base) -> LabelMap:
    del label_map
    return open_base(catalog, base)


def _render(catalog: Catalog, canvas: Canvas, base: Base) -> Canvas:
    del canvas
    image = read_image(catalog.image_path(base["id"]))
    return (image[:, ::-1] if base["flip"] else image).astype(np.float64)


def _number(catalog: Catalog, label_map: LabelMap, numbers: Numbers, base: Base) -> Numbers:
    del label_map, numbers
    found = catalog.instances.numbers(base["id"])
    return found[:, ::-1] if base["flip"] else found


KIND = StepKind(_apply, _render, _number, None)
