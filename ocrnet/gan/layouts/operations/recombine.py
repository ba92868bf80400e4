"""`recombine`: the stuff of one training image with the things of a similar one, at their places.

Most things of the first image are erased and filled with the nearest stuff, which no real pixels show. A few things
stay, and a result that is equal to one of the two images is drawn again: if all images show one stuff class, the
result without them would be the second image.
"""

from typing import TypedDict

import numpy as np

from ocrnet.gan.layouts.catalog import Catalog
from ocrnet.gan.layouts.class_components import Component
from ocrnet.gan.layouts.operations.base_map import Base, draw_base, open_base
from ocrnet.gan.layouts.operations.copy_paste import corner
from ocrnet.gan.layouts.operations.interface import TRIES, LayoutInputs, OperationResult, StepKind
from ocrnet.gan.layouts.operations.pasted_object import Paste, covered_by
from ocrnet.gan.layouts.plausible import is_plausible, specks_of
from ocrnet.gan.layouts.regions import LabelMap, Numbers, Region, fill_nearest, parts_of, table_of

STAY = 0.25  # probability that a thing of the first image stays
SIMILAR = 0.25  # the second image is drawn from this share of the candidates, the most similar ones
LEAST_SIMILAR = 3  # candidates, at least
ALIKE = 0.7  # share of the stuff cells that must agree


class Erase(TypedDict):
    """The components [class_id, number] that are erased from the label map of the previous steps."""

    op: str
    parts: list[list[int]]


def draw_recombine(rng: np.random.Generator, inputs: LayoutInputs) -> OperationResult:
    """Draw two images and paste the things of the second onto the first."""
    catalog = inputs.catalog
    class_id = inputs.weights.draw_class(rng)
    base = draw_base(rng, inputs)
    label_map = open_base(catalog, base)
    for _ in range(TRIES):
        other = _draw_other(rng, catalog, base, class_id)
        erase = _draw_erase(rng, catalog, label_map)
        erased, specks = _apply(catalog, label_map, erase), specks_of(catalog, label_map)
        if other is not None and is_plausible(catalog, erased, specks=specks):
            objects = _objects_of(catalog, other, first=class_id)
            drawn = _put(inputs, base, erase, erased, objects, specks)
            second = open_base(catalog, Base(op="base", id=other, flip=base["flip"]))
            if not any(np.array_equal(drawn.label_map, known) for known in (label_map, second)):
                return drawn
        base = draw_base(rng, inputs)
        label_map = open_base(catalog, base)
    return OperationResult(label_map, (base,), 1)


def _put(
    inputs: LayoutInputs, base: Base, erase: Erase, label_map: LabelMap, objects: list[Component], specks: Region
) -> OperationResult:  # fmt: skip
    """Paste objects onto a base with erased things, where they fit."""
    catalog = inputs.catalog
    # The images are similar, so an object may cover any stuff, as in its own image.
    object_ids = catalog.thing_classes()
    surfaces = [i for i in range(catalog.classes.num_classes) if i not in object_ids]
    surfaces.append(catalog.classes.ignore_index)
    pastes: list[Paste] = []
    for chosen in objects:
        paste = _where_it_was(catalog, chosen, label_map.shape, flip=base["flip"])
        covered = covered_by(catalog, paste, label_map, [*surfaces, chosen.class_id])
        if covered is None:
            continue
        candidate = label_map.copy()
        candidate[covered] = chosen.class_id
        if is_plausible(catalog, candidate, specks=specks):
            label_map = candidate
            pastes.append(paste)
    erased = (erase,) if erase["parts"] else ()
    return OperationResult(label_map, (base, *erased, *pastes), len(objects) - len(pastes))


def similarity(catalog: Catalog, one: str, other: str) -> float:
    """Return the share of equal cells of two label maps, among the cells where both show stuff."""
    surface = ~table_of([*catalog.thing_classes(), catalog.classes.ignore_index])
    a, b = catalog.sketches[one], catalog.sketches[other]
    both = surface[a] & surface[b]
    return float((a == b)[both].mean()) if both.any() else 0.0


def _draw_other(
    rng: np.random.Generator, catalog: Catalog, base: Base, class_id: int
) -> str | None:
    """Draw one of the images most similar to the base that have things of a class; None if none is similar."""
    ids = sorted({o.id for o in catalog.objects(class_id)} - {base["id"]})
    scores = {other: similarity(catalog, base["id"], other) for other in ids}
    alike = sorted((i for i in ids if scores[i] >= ALIKE), key=lambda i: -scores[i])
    count = min(max(round(SIMILAR * len(ids)), LEAST_SIMILAR), len(alike))
    return alike[int(rng.integers(count))] if count else None


def _objects_of(catalog: Catalog, image_id: str, *, first: int) -> list[Component]:
    """Return the things of an image: of the class it was drawn for first, then by their lower edge from the top."""
    found = [
        o for class_id in catalog.thing_classes() for o in catalog.objects(class_id) if o.id == image_id
    ]  # fmt: skip
    return sorted(found, key=lambda o: (o.class_id != first, catalog.box(o)[0].stop, o.number))


def _where_it_was(
    catalog: Catalog, chosen: Component, shape: tuple[int, ...], *, flip: bool
) -> Paste:
    y, x = chosen.centre
    sides = catalog.region(chosen).shape
    at = corner(np.array([y, 1.0 - x if flip else x]), shape, sides)
    return Paste(
        op="paste", id=chosen.id, class_id=chosen.class_id, number=chosen.number,
        flip=flip, zoom=1.0, angle=0.0, at=at,
    )  # fmt: skip


def _draw_erase(rng: np.random.Generator, catalog: Catalog, label_map: LabelMap) -> Erase:
    parts = [
        [class_id, number]
        for class_id in catalog.thing_classes()
        for number in range(1, len(parts_of(label_map == class_id)[1]) + 1)
        if rng.random() >= STAY
    ]
    return Erase(op="erase", parts=parts)


def _apply(catalog: Catalog, label_map: LabelMap, step: Erase) -> LabelMap:
    return catalog.fill(label_map, _hole(label_map, step))


def _number(catalog: Catalog, label_map: LabelMap, numbers: Numbers, step: Erase) -> Numbers:
    surface = catalog.surface(label_map)
    return fill_nearest(numbers, _hole(label_map, step), surface) if surface.any() else numbers


def _erased(catalog: Catalog, label_map: LabelMap, step: Erase) -> Region:
    del catalog
    return _hole(label_map, step)


def _hole(label_map: LabelMap, step: Erase) -> Region:
    hole = np.zeros(label_map.shape, dtype=np.bool_)
    for class_id in sorted({class_id for class_id, _ in step["parts"]}):
        numbers = [number for other, number in step["parts"] if other == class_id]
        hole |= np.isin(parts_of(label_map == class_id)[0], numbers)
    return hole


KIND = StepKind(_apply, None, _number, _erased)
