"""The operations that make layouts: a file each, and a line each in `OPERATIONS`.

A file holds the operation's kind of step as plain data, how the step changes a label map and a picture, and
how its numbers are drawn. The table holds import paths, so that reading the names costs nothing.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Operation:
    """A way of making a layout.

    Args:
        path: Import path, `module:function`, of the function that draws one.
        real: Whether every layout of it can be composed from real pixels.
        needs_objects: Whether it has nothing to do if no class comes as objects.
    """

    path: str
    real: bool
    needs_objects: bool


# By the name that `synthesize.operations` gives it odds with.
OPERATIONS: dict[str, Operation] = {
    "train": Operation("ocrnet.gan.layouts.operations.base:draw_train", real=True, needs_objects=False),
    "flip": Operation("ocrnet.gan.layouts.operations.base:draw_flip", real=True, needs_objects=False),
    "scale": Operation("ocrnet.gan.layouts.operations.scale:draw_scale", real=True, needs_objects=False),
    "copy_paste": Operation(
        "ocrnet.gan.layouts.operations.copy_paste:draw_copy_paste", real=True, needs_objects=True
    ),
    "warp": Operation("ocrnet.gan.layouts.operations.warp:draw_warp", real=False, needs_objects=True),
    "recombine": Operation(
        "ocrnet.gan.layouts.operations.recombine:draw_recombine", real=False, needs_objects=True
    ),
}  # fmt: skip


def idle_operations(odds: "dict[str, float]") -> list[str]:
    """Return the operations with odds above 0 that have nothing to do where no class comes as objects."""
    return [name for name, value in odds.items() if value > 0 and OPERATIONS[name].needs_objects]
