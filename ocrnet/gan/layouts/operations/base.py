"""`train` and `flip`: a training label map as it is, or mirrored. Every layout starts from one."""

from typing import TypedDict

import numpy as np

from ocrnet.data.decode import read_image
from ocrnet.gan.layouts.catalog import Catalog
from ocrnet.gan.layouts.operation import Canvas, Drawn, Plan, StepKind
from ocrnet.gan.layouts.regions import LabelMap


class Base(TypedDict):
    """The label map that a layout starts from."""

    op: str
    id: str
    flip: bool


def draw_base(rng: np.random.Generator, plan: Plan, *, flip: bool | None = None) -> Base:
    """Draw a base by the hardness of what it shows; where `flip` is None a coin mirrors it."""
    image_id = plan.odds.draw_image(rng, plan.catalog)
    return Base(op="base", id=image_id, flip=bool(rng.integers(2)) if flip is None else flip)


def draw_train(rng: np.random.Generator, plan: Plan) -> Drawn:
    """Draw a training label map as it is: what is new is the painting."""
    return _alone(plan, draw_base(rng, plan, flip=False))


def draw_flip(rng: np.random.Generator, plan: Plan) -> Drawn:
    """Draw a mirrored training label map."""
    return _alone(plan, draw_base(rng, plan, flip=True))


def open_base(catalog: Catalog, base: Base) -> LabelMap:
    """Return the label map of a base, to be written to."""
    label_map = catalog.label_map(base["id"])
    return (label_map[:, ::-1] if base["flip"] else label_map).copy()


def _alone(plan: Plan, base: Base) -> Drawn:
    return Drawn(open_base(plan.catalog, base), (base,))


def _apply(catalog: Catalog, label_map: LabelMap, base: Base) -> LabelMap:
    del label_map
    return open_base(catalog, base)


def _render(catalog: Catalog, canvas: Canvas, base: Base) -> Canvas:
    del canvas
    image = read_image(catalog.image_path(base["id"]))
    return (image[:, ::-1] if base["flip"] else image).astype(np.float64)


KIND = StepKind(_apply, _render)
