"""New label layouts from the training label maps.

A layout is a list of steps (see `compose`): a base, which is a training label map as it is or flipped, and
the objects pasted onto it. Which steps it has depends on its seed and on the training split alone.

A pasted object keeps its class. It lands where its class is found (the empirical position of objects of
about its size), on classes that surround such objects in the data. A layout is refused where two classes
touch that never touch in the data, or a component is smaller or larger than any that the data shows.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ocrnet.config import SynthesizeParams
from ocrnet.errors import ParamsError
from ocrnet.gan.catalog import (
    AREA_CAP,
    Catalog,
    Component,
    LabelMap,
    adjacent_classes,
    component_areas,
)
from ocrnet.gan.compose import Base, Layout, Paste, apply_steps, object_region, place, turn

PLACEMENTS = 20  # tries for one object
ANGLE_DEG = 5.0  # standard deviation of a pasted object's turn
LEAST_SPREAD = (
    0.05  # of the position prior, as a share of the image side; a class seen once still moves
)
SIMILAR_AREA = (
    2.0  # the position prior of an object is that of objects within this factor of its area
)


def check_operations(params: SynthesizeParams, catalog: Catalog) -> None:
    """Check the table of operations against those that there are and what the data allows.

    Raises:
        ParamsError: an operation is unknown, or there is nothing to paste.
    """
    unknown = sorted(set(params.operations) - set(OPERATIONS))
    if unknown:
        raise ParamsError(
            f"params.yaml: synthesize.operations: {unknown} are unknown. Known: {', '.join(OPERATIONS)}."
        )
    if params.operations.get("copy_paste", 0) > 0 and not catalog.object_classes():
        raise ParamsError(
            "params.yaml: synthesize.operations.copy_paste: no class of the training split comes as objects. "
            "Set it to 0."
        )


def layout_seed(seed: int, index: int) -> int:
    """Return the seed of one layout: a function of the set's seed and the layout's index."""
    return int(np.random.SeedSequence([seed % 2**64, index]).generate_state(1)[0])


def draw_layout(catalog: Catalog, params: SynthesizeParams, *, seed: int) -> Layout:
    """Draw the layout of a seed."""
    rng = np.random.default_rng(seed)
    names = sorted(params.operations)
    odds = np.array([params.operations[name] for name in names], dtype=np.float64)
    operation = names[int(rng.choice(len(names), p=odds / odds.sum()))]
    return OPERATIONS[operation](rng, catalog, params, seed)


def is_plausible(catalog: Catalog, label_map: LabelMap) -> bool:
    """Say whether the data shows every contact of classes and every size of component in a label map.

    Of a class that comes as surfaces, a component as large as a surface may have any size: what is pasted
    onto it makes it a little smaller than any that was seen. A fragment of it may not.
    """
    ignore_index = catalog.classes.ignore_index
    if not adjacent_classes(label_map, ignore_index=ignore_index) <= catalog.adjacent:
        return False
    objects = catalog.object_classes()
    for class_id, areas in component_areas(label_map, ignore_index=ignore_index).items():
        least, most = catalog.areas(class_id)
        if class_id not in objects:
            areas = areas[areas <= AREA_CAP * label_map.size]
        if (areas < least).any() or (areas > most).any():
            return False
    return True


def _train(
    rng: np.random.Generator, catalog: Catalog, params: SynthesizeParams, seed: int
) -> Layout:
    del params
    base = Base(op="base", id=str(rng.choice(catalog.ids)), flip=False)
    return Layout(apply_steps(catalog, base, []), "train", base, (), seed)


def _flip(
    rng: np.random.Generator, catalog: Catalog, params: SynthesizeParams, seed: int
) -> Layout:
    del params
    base = Base(op="base", id=str(rng.choice(catalog.ids)), flip=True)
    return Layout(apply_steps(catalog, base, []), "flip", base, (), seed)


def _copy_paste(
    rng: np.random.Generator, catalog: Catalog, params: SynthesizeParams, seed: int
) -> Layout:
    base = Base(op="base", id=str(rng.choice(catalog.ids)), flip=bool(rng.integers(2)))
    label_map = apply_steps(catalog, base, [])
    wanted = int(rng.integers(params.pastes[0], params.pastes[1] + 1))
    pastes: list[Paste] = []
    for _ in range(wanted):
        found = _paste_one(rng, catalog, label_map, params.rare_power)
        if found is not None:
            paste, label_map = found
            pastes.append(paste)
    return Layout(label_map, "copy_paste", base, tuple(pastes), seed, unplaced=wanted - len(pastes))


def _paste_one(
    rng: np.random.Generator, catalog: Catalog, label_map: LabelMap, rare_power: float
) -> tuple[Paste, LabelMap] | None:
    """Choose a class, then try objects of it at places of it until one fits.

    Larger objects are tried more often, by the square root of their area: most components of a real
    label map are cut-off bits.
    """
    class_ids = catalog.object_classes()
    odds = np.array([catalog.pixel_shares[i] ** -rare_power for i in class_ids])
    class_id = class_ids[int(rng.choice(len(class_ids), p=odds / odds.sum()))]
    supports = np.zeros(256, dtype=np.bool_)
    supports[[*catalog.support(class_id), class_id]] = True
    objects = catalog.objects(class_id)
    sizes = np.sqrt([chosen.area for chosen in objects])
    for _ in range(PLACEMENTS):
        chosen = objects[int(rng.choice(len(objects), p=sizes / sizes.sum()))]
        paste = _draw_paste(rng, catalog, chosen, label_map.shape)
        covered = place(object_region(catalog, paste), label_map.shape, paste["at"])
        if not covered.any() or not supports[label_map[covered]].all():
            continue
        candidate = label_map.copy()
        candidate[covered] = class_id
        if is_plausible(catalog, candidate):
            return paste, candidate
    return None


def _draw_paste(
    rng: np.random.Generator, catalog: Catalog, chosen: Component, shape: tuple[int, ...]
) -> Paste:
    centre = _draw_centre(rng, chosen, catalog.objects(chosen.class_id))
    flip, angle = bool(rng.integers(2)), round(float(rng.normal(0.0, ANGLE_DEG)), 2)
    region = turn(catalog.region(chosen), flip=flip, angle=angle)
    at = [
        round(c * size - side / 2)
        for c, size, side in zip(centre, shape, region.shape, strict=True)
    ]
    return Paste(
        op="paste", id=chosen.id, class_id=chosen.class_id, number=chosen.number,
        flip=flip, angle=angle, at=at,
    )  # fmt: skip


def _draw_centre(
    rng: np.random.Generator, chosen: Component, objects: list[Component]
) -> npt.NDArray[np.float64]:
    """Draw from a kernel estimate of where objects of about this size are (Scott's bandwidth)."""
    similar = np.array([
        o.centre for o in objects
        if chosen.area / SIMILAR_AREA <= o.area <= chosen.area * SIMILAR_AREA
    ])  # fmt: skip
    spread = np.maximum(similar.std(axis=0) * len(similar) ** (-1 / 6), LEAST_SPREAD)
    centre = similar[int(rng.integers(len(similar)))] + rng.normal(0.0, 1.0, 2) * spread
    return np.asarray(np.clip(centre, 0.0, 1.0))


Operation = Callable[[np.random.Generator, Catalog, SynthesizeParams, int], Layout]

# One line per operation, by the name that `synthesize.operations` gives it odds with.
OPERATIONS: dict[str, Operation] = {"train": _train, "flip": _flip, "copy_paste": _copy_paste}
