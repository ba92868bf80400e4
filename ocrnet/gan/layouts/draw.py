"""New label layouts from the training label maps.

A layout is a list of steps (see `compose`): a base, which is a training label map as it is or flipped, and changes to
it. The steps depend on the seed, the training split and the odds of classes.

No layout shows what the data never shows: it is refused where two classes touch that never touch in the
data, or a component that an operation made is smaller or larger than any of its class there (see `plausible`).
"""

from collections.abc import Callable, Mapping
from importlib import import_module

import numpy as np

from ocrnet.config import SynthesizeParams
from ocrnet.errors import ParamsError
from ocrnet.gan.layouts.catalog import Catalog
from ocrnet.gan.layouts.compose import Layout
from ocrnet.gan.layouts.operation import Drawn, Plan
from ocrnet.gan.layouts.operations import OPERATIONS, idle_operations


def check_operations(params: SynthesizeParams, catalog: Catalog) -> None:
    """Check the table of operations against those that there are and what the data allows.

    Raises:
        ParamsError: An operation is unknown, or there is nothing to paste.
    """
    unknown = sorted(set(params.operations) - set(OPERATIONS))
    if unknown:
        raise ParamsError(
            f"params.yaml: synthesize.operations: {unknown} are unknown. Known: {', '.join(OPERATIONS)}."
        )
    idle = idle_operations(params.operations)
    if idle and not catalog.object_classes():
        raise ParamsError(
            f"params.yaml: synthesize.operations: {idle} move objects, but no class of the training split comes as "
            "objects. Set them to 0."
        )


def draw_layout(plan: Plan, *, seed: int) -> Layout:
    """Draw the layout of a seed."""
    return _draw(np.random.default_rng(seed), plan, plan.params.operations, seed)


def draw_real_layout(plan: Plan, *, seed: int) -> Layout:
    """Draw the layout of a seed by the operations alone whose layouts can be composed from real pixels.

    Their odds have the proportions of the params. If the params ask for none of them, objects are pasted or, if there
    are no objects, a training layout is mirrored.
    """
    odds = {name: value for name, value in plan.params.operations.items() if OPERATIONS[name].real}
    if sum(odds.values()) <= 0:
        odds = {"copy_paste" if plan.catalog.object_classes() else "flip": 1.0}
    # A separate stream: the numbers that chose an operation without real pixels would choose its neighbour here.
    return _draw(np.random.default_rng([seed, 1]), plan, odds, seed)


def _draw(
    rng: np.random.Generator, plan: Plan, operations: Mapping[str, float], seed: int
) -> Layout:
    names = sorted(operations)
    odds = np.array([operations[name] for name in names], dtype=np.float64)
    operation = names[int(rng.choice(len(names), p=odds / odds.sum()))]
    module, name = OPERATIONS[operation].path.split(":")
    draw: Callable[[np.random.Generator, Plan], Drawn] = getattr(import_module(module), name)
    drawn = draw(rng, plan)
    return Layout(drawn.label_map, operation, drawn.steps, seed, drawn.unplaced)
