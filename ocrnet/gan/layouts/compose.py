"""Execution of a layout's steps: its label map, and its image from the pixels of its real parents.

The steps are complete plain data, so that a synthesized pair can be traced and rebuilt. The image is copy-paste
without a GAN, for the control arm. For hybrid painting only the real image below all changes is composed, with a hole
where the GAN paints.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ocrnet.data.instance_maps import renumber
from ocrnet.gan.generator.holes import RIM, with_rim
from ocrnet.gan.layouts.catalog import Catalog
from ocrnet.gan.layouts.operations import base_map, joint, pasted_object, recombine, scale, warp
from ocrnet.gan.layouts.operations.interface import Canvas, StepKind
from ocrnet.gan.layouts.regions import LabelMap, Numbers, Region

Image = npt.NDArray[np.uint8]

# One line per kind of step; the key is the step's `op`.
STEPS: dict[str, StepKind] = {
    "base": base_map.KIND,
    "paste": pasted_object.KIND,
    "scale": scale.KIND,
    "warp": warp.KIND,
    "erase": recombine.KIND,
    "joint": joint.KIND,
}


@dataclass(frozen=True)
class Layout:
    """A new label map and its steps.

    Args:
        label_map: Class ids (H, W).
        operation: Name in `OPERATIONS`.
        steps: Steps from which `apply_steps` makes the label map, as plain data, the base first.
        seed: Random seed of the steps and of the generated image.
        unplaced: Number of objects, boxes or warps for which no place was found.
    """

    label_map: LabelMap
    operation: str
    steps: tuple[Any, ...]
    seed: int
    unplaced: int = 0

    @property
    def parents(self) -> list[str]:
        """The ids of the training images that the layout is made from, the base first."""
        return list(dict.fromkeys(step["id"] for step in self.steps if "id" in step))

    @property
    def pastes(self) -> list[Any]:
        """The steps that paste an object."""
        return [step for step in self.steps if step["op"] == "paste"]


def apply_steps(catalog: Catalog, steps: Sequence[Any]) -> LabelMap:
    """Make a label map from its steps."""
    label_map = np.zeros((0, 0), dtype=np.uint8)
    for step in steps:
        label_map = STEPS[step["op"]].apply(catalog, label_map, step)
    return label_map


def number_objects(catalog: Catalog, steps: Sequence[Any]) -> Numbers:
    """Make the instance map of the steps' label map, numbered from 1; an object keeps its visible part.

    As in a prepared set, only pixels of the thing classes belong to objects.
    """
    label_map, numbers = np.zeros((0, 0), dtype=np.uint8), np.zeros((0, 0), dtype=np.int32)
    for step in steps:
        kind = STEPS[step["op"]]
        numbers = kind.number(catalog, label_map, numbers, step)
        label_map = kind.apply(catalog, label_map, step)
    return renumber(np.where(np.isin(label_map, catalog.instances.things), numbers, 0))


def can_compose(steps: Sequence[Any]) -> bool:
    """Return whether the image of the steps can be composed from real pixels."""
    return all(STEPS[step["op"]].render is not None for step in steps)


def compose(catalog: Catalog, steps: Sequence[Any]) -> Image:
    """Compose the image (H, W, 3) of the steps from the pixels of real images."""
    canvas = np.zeros((0, 0, 3), dtype=np.float64)
    for step in steps:
        render = STEPS[step["op"]].render
        assert render is not None, step["op"]
        canvas = render(catalog, canvas, step)
    return _as_image(canvas)


def image_with_hole(catalog: Catalog, steps: Sequence[Any]) -> tuple[Image, Region]:
    """Return the real image (H, W, 3) that the steps start from, and the hole (H, W) to paint in it.

    The hole covers what the steps paste, deform or remove, with a rim; without such a step it is empty. A layout from
    noise has no real image: it is one hole.
    """
    canvas, label_map = np.zeros((0, 0, 3), dtype=np.float64), np.zeros((0, 0), dtype=np.uint8)
    changed = np.zeros((0, 0), dtype=np.bool_)
    for step in steps:
        kind = STEPS[step["op"]]
        if kind.changed is not None:
            new = kind.changed(catalog, label_map, step)
            if not changed.size:  # a layout from noise has no real image below it
                canvas, changed = np.zeros((*new.shape, 3)), new
            changed = changed | new
        else:
            assert kind.render is not None, step["op"]
            canvas = kind.render(catalog, canvas, step)
            changed = np.zeros(canvas.shape[:2], dtype=np.bool_)
        label_map = kind.apply(catalog, label_map, step)
    return _as_image(canvas), with_rim(changed, RIM)


def _as_image(canvas: Canvas) -> Image:
    return np.rint(np.clip(canvas, 0.0, 255.0)).astype(np.uint8)
