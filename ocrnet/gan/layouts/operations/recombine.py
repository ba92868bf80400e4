"""`recombine`: the surfaces of one training image with the objects of another one like it, where they were.

Most of the first image's own objects are erased, and the surface nearest to them takes their place. No
real pixels show that. A few objects stay, and a result that equals one of the two images is drawn again: with one bare
surface everywhere, the result would be the second image.
"""

from typing import TypedDict

import numpy as np

from ocrnet.gan.layouts.catalog import Catalog, Component
from ocrnet.gan.layouts.operation import TRIES, Drawn, Plan, StepKind
from ocrnet.gan.layouts.operations.base import Base, draw_base, open_base
from ocrnet.gan.layouts.operations.copy_paste import corner
from ocrnet.gan.layouts.operations.paste import Paste, covered_by
from ocrnet.gan.layouts.plausible import is_plausible, specks_of
from ocrnet.gan.layouts.regions import LabelMap, Region, parts_of, table_of

STAY = 0.25  # share of the first image's objects that stay
SIMILAR = 0.25  # share of the possible second images, the most similar ones, that are drawn from
LEAST_SIMILAR = 3  # images, at least
ALIKE = 0.7  # share of the surface that has to agree


class Erase(TypedDict):
    """The components [class_id, number] of the label map so far that are erased."""

    op: str
    parts: list[list[int]]


def draw_recombine(rng: np.random.Generator, plan: Plan) -> Drawn:
    """Draw two images and put the objects of the second onto the first."""
    catalog = plan.catalog
    class_id = plan.odds.draw_class(rng)
    base = draw_base(rng, plan)
    label_map = open_base(catalog, base)
    for _ in range(TRIES):
        other = _draw_other(rng, catalog, base, class_id)
        erase = _draw_erase(rng, catalog, label_map)
        erased, specks = _apply(catalog, label_map, erase), specks_of(catalog, label_map)
        if other is not None and is_plausible(catalog, erased, specks=specks):
            objects = _objects_of(catalog, other, first=class_id)
            drawn = _put(plan, base, erase, erased, objects, specks)
            second = open_base(catalog, Base(op="base", id=other, flip=base["flip"]))
            if not any(np.array_equal(drawn.label_map, known) for known in (label_map, second)):
                return drawn
        base = draw_base(rng, plan)
        label_map = open_base(catalog, base)
    return Drawn(label_map, (base,), 1)


def _put(
    plan: Plan, base: Base, erase: Erase, label_map: LabelMap, objects: list[Component], specks: Region
) -> Drawn:  # fmt: skip
    """Put objects onto what was left of a base, as far as they stand on what carries them."""
    catalog = plan.catalog
    # Where the images are alike an object may cover any surface, as it did in its own.
    object_ids = catalog.object_classes()
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
    return Drawn(label_map, (base, *erased, *pastes), len(objects) - len(pastes))


def similarity(catalog: Catalog, one: str, other: str) -> float:
    """Return the share of cells of two layouts that agree, of those where both show a surface."""
    surface = ~table_of([*catalog.object_classes(), catalog.classes.ignore_index])
    a, b = catalog.sketches[one], catalog.sketches[other]
    both = surface[a] & surface[b]
    return float((a == b)[both].mean()) if both.any() else 0.0


def _draw_other(
    rng: np.random.Generator, catalog: Catalog, base: Base, class_id: int
) -> str | None:
    """Draw the second image of those most like the base that have objects of a class; None where none is like it."""
    ids = sorted({o.id for o in catalog.objects(class_id)} - {base["id"]})
    scores = {other: similarity(catalog, base["id"], other) for other in ids}
    alike = sorted((i for i in ids if scores[i] >= ALIKE), key=lambda i: -scores[i])
    count = min(max(round(SIMILAR * len(ids)), LEAST_SIMILAR), len(alike))
    return alike[int(rng.integers(count))] if count else None


def _objects_of(catalog: Catalog, image_id: str, *, first: int) -> list[Component]:
    """Return the objects of an image: those of the class it was drawn for, then from the far to the near ones."""
    found = [
        o for class_id in catalog.object_classes() for o in catalog.objects(class_id) if o.id == image_id
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
        for class_id in catalog.object_classes()
        for number in range(1, len(parts_of(label_map == class_id)[1]) + 1)
        if rng.random() >= STAY
    ]
    return Erase(op="erase", parts=parts)


def _apply(catalog: Catalog, label_map: LabelMap, step: Erase) -> LabelMap:
    hole = np.zeros(label_map.shape, dtype=np.bool_)
    for class_id in sorted({class_id for class_id, _ in step["parts"]}):
        numbers = [number for other, number in step["parts"] if other == class_id]
        hole |= np.isin(parts_of(label_map == class_id)[0], numbers)
    return catalog.fill(label_map, hole)


KIND = StepKind(_apply, None)
