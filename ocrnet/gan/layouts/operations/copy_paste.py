"""`copy_paste`: things of the training split pasted where their class occurs, onto classes that surround it there."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ocrnet.gan.layouts.catalog import Catalog
from ocrnet.gan.layouts.class_components import Component
from ocrnet.gan.layouts.operations.base_map import draw_base, open_base
from ocrnet.gan.layouts.operations.interface import TRIES, LayoutInputs, OperationResult
from ocrnet.gan.layouts.operations.pasted_object import Paste, covered_by, turn
from ocrnet.gan.layouts.plausible import is_plausible, specks_of
from ocrnet.gan.layouts.regions import EIGHT, LabelMap, Region

ANGLE_DEG = 5.0  # standard deviation of the rotation of a pasted object
# Smallest deviation of the position prior, as a share of the image side; a class seen once still moves.
LEAST_SPREAD = 0.05
SIMILAR_AREA = 2.0  # the position prior uses objects within this factor of the object's area
ZOOM = (0.7, 1.4)  # range of the zoom of an object that moves up or down in perspective
CHOICES = 2  # fitting places, of which one is drawn by the confusions there


def draw_copy_paste(rng: np.random.Generator, inputs: LayoutInputs) -> OperationResult:
    """Draw a base with objects pasted onto it."""
    base = draw_base(rng, inputs)
    label_map = open_base(inputs.catalog, base)
    wanted = int(rng.integers(inputs.params.pastes[0], inputs.params.pastes[1] + 1))
    specks = specks_of(inputs.catalog, label_map)
    pastes: list[Paste] = []
    for _ in range(wanted):
        found = _paste_one(rng, inputs, label_map, specks)
        if found is not None:
            paste, label_map = found
            pastes.append(paste)
    return OperationResult(label_map, (base, *pastes), wanted - len(pastes))


def _paste_one(
    rng: np.random.Generator, inputs: LayoutInputs, label_map: LabelMap, specks: Region
) -> tuple[Paste, LabelMap] | None:
    """Draw a class, try its objects at positions of the class, and choose one of the places that fit.

    An object is tried with a weight of the square root of its area: most components of a real label map are small
    fragments.
    """
    catalog = inputs.catalog
    class_id = inputs.weights.draw_class(rng)
    objects = catalog.objects(class_id)
    carriers = sorted(catalog.support(class_id) | {class_id})
    sizes = np.sqrt([chosen.area for chosen in objects])
    fitting: list[tuple[Paste, LabelMap]] = []
    weights: list[float] = []
    for _ in range(TRIES):
        chosen = objects[int(rng.choice(len(objects), p=sizes / sizes.sum()))]
        paste = _draw_paste(rng, catalog, chosen, label_map.shape)
        covered = covered_by(catalog, paste, label_map, carriers)
        if covered is None:
            continue
        candidate = label_map.copy()
        candidate[covered] = class_id
        if is_plausible(catalog, candidate, specks=specks):
            around = ndimage.binary_dilation(covered, EIGHT) & ~covered
            fitting.append((paste, candidate))
            weights.append(inputs.weights.of_contact(class_id, label_map[around]))
        if len(fitting) == CHOICES:
            break
    if not fitting:
        return None
    return fitting[int(rng.choice(len(fitting), p=np.array(weights) / sum(weights)))]


def _draw_paste(
    rng: np.random.Generator, catalog: Catalog, chosen: Component, shape: tuple[int, ...]
) -> Paste:
    centre = _draw_centre(rng, chosen, catalog.objects(chosen.class_id))
    flip, angle = bool(rng.integers(2)), round(float(rng.normal(0.0, ANGLE_DEG)), 2)
    growth = catalog.growth(chosen.class_id) * (centre[0] - chosen.centre[0])
    zoom = round(float(np.clip(np.exp(growth), *ZOOM)), 2)
    region = turn(catalog.region(chosen), flip=flip, zoom=zoom, angle=angle)
    return Paste(
        op="paste", id=chosen.id, class_id=chosen.class_id, number=chosen.number,
        flip=flip, zoom=zoom, angle=angle, at=corner(centre, shape, region.shape),
    )  # fmt: skip


def corner(
    centre: npt.NDArray[np.float64], shape: tuple[int, ...], sides: tuple[int, ...]
) -> list[int]:
    """Return the top left corner in pixels of a box with these sides around a centre, given as shares of the image."""
    return [
        round(float(c) * size - side / 2)
        for c, size, side in zip(centre, shape, sides, strict=True)
    ]


def _draw_centre(
    rng: np.random.Generator, chosen: Component, objects: list[Component]
) -> npt.NDArray[np.float64]:
    """Draw from a kernel density of the positions of objects of similar size (Scott's bandwidth)."""
    similar = np.array([
        o.centre for o in objects
        if chosen.area / SIMILAR_AREA <= o.area <= chosen.area * SIMILAR_AREA
    ])  # fmt: skip
    spread = np.maximum(similar.std(axis=0) * len(similar) ** (-1 / 6), LEAST_SPREAD)
    centre = similar[int(rng.integers(len(similar)))] + rng.normal(0.0, 1.0, 2) * spread
    return np.asarray(np.clip(centre, 0.0, 1.0))
