"""The label-map-to-image GAN: generator, training, layouts, selection, quality and editing.

Each kind of GAN, a value of `train_gan.arch`, has one line in `GANS`; each operation that makes layouts has one line
in `OPERATIONS`. The tables contain import paths, so that reading the names does not import torch.

| `train_gan.arch` | the discriminator | its losses |
|---|---|---|
| oasis | predicts the class of every pixel, or fake; its input is the image | cross entropy by class, LabelMix |
| pix2pix | predicts patches as real or fake; its input is label map and image | non-saturating, and L1 to the image |

Both train the same generator, so they differ only in the discriminator and its losses.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocrnet.components import load_component

if TYPE_CHECKING:
    from ocrnet.gan.training.gan_objective import GanObjective

GANS = {
    "oasis": "ocrnet.gan.training.oasis:Oasis",
    "pix2pix": "ocrnet.gan.training.pix2pix:Pix2Pix",
}


def objective_class(arch: str) -> "type[GanObjective]":
    """Return the class with the discriminator and losses of a GAN.

    Raises:
        ParamsError: The name is unknown.
    """
    found: type[GanObjective] = load_component(GANS, arch, key="train_gan.arch")
    return found


@dataclass(frozen=True)
class Operation:
    """An operation that makes layouts.

    Args:
        path: Import path, `module:function`, of the function that draws a layout.
        real: Whether each of its layouts can be composed from real pixels.
        needs_objects: Whether it needs a class that occurs as things.
        needs_joint: Whether it needs a joint generator (`train_gan.joint_steps`).
    """

    path: str
    real: bool
    needs_objects: bool
    needs_joint: bool = False


# The keys are the names in `synthesize.operations`.
OPERATIONS: dict[str, Operation] = {
    "train": Operation("ocrnet.gan.layouts.operations.base_map:draw_train", real=True, needs_objects=False),
    "flip": Operation("ocrnet.gan.layouts.operations.base_map:draw_flip", real=True, needs_objects=False),
    "scale": Operation("ocrnet.gan.layouts.operations.scale:draw_scale", real=True, needs_objects=False),
    "copy_paste": Operation(
        "ocrnet.gan.layouts.operations.copy_paste:draw_copy_paste", real=True, needs_objects=True
    ),
    "warp": Operation("ocrnet.gan.layouts.operations.warp:draw_warp", real=False, needs_objects=True),
    "recombine": Operation(
        "ocrnet.gan.layouts.operations.recombine:draw_recombine", real=False, needs_objects=True
    ),
    "joint": Operation(
        "ocrnet.gan.layouts.operations.joint:draw_joint", real=False, needs_objects=False, needs_joint=True
    ),
}  # fmt: skip


def idle_operations(weights: "dict[str, float]") -> list[str]:
    """Return the operations with weights above 0 that need a class that occurs as things."""
    return [name for name, value in weights.items() if value > 0 and OPERATIONS[name].needs_objects]


def free_operations() -> list[str]:
    """Return the operations that need neither objects nor a joint generator."""
    return [
        name for name, entry in OPERATIONS.items() if not (entry.needs_objects or entry.needs_joint)
    ]
