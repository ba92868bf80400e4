"""New label layouts from the training label maps.

A layout is a list of steps (see `compose`): a base, which is a training label map as it is or flipped, and changes to
it. The steps depend on the seed, the training split and the weights of classes.

A layout is refused if it shows what the data never shows: two touching classes that never touch in the data, or a
component that is smaller or larger than all of its class (see `plausible`).
"""

from collections.abc import Callable, Mapping

import numpy as np

from ocrnet.components import load_path
from ocrnet.config import SynthesizeParams
from ocrnet.config.gan import JOINT
from ocrnet.errors import ParamsError
from ocrnet.gan import OPERATIONS, idle_operations
from ocrnet.gan.layouts.catalog import Catalog
from ocrnet.gan.layouts.compose import Layout
from ocrnet.gan.layouts.operations.interface import LayoutInputs, OperationResult
from ocrnet.protocols import JointLike


def check_operations(
    params: SynthesizeParams, catalog: Catalog, joint: JointLike | None = None
) -> None:
    """Check that all operations exist and that the data and the generators allow them.

    Raises:
        ParamsError: An operation is unknown, it needs things and no class occurs as things, or it needs a joint
            generator and there is none.
        DataError: The joint generator was trained on other classes.
    """
    unknown = sorted(set(params.operations) - set(OPERATIONS))
    if unknown:
        raise ParamsError(
            f"params.yaml: synthesize.operations: {unknown} are unknown. Known: {', '.join(OPERATIONS)}."
        )
    idle = idle_operations(params.operations)
    if idle and not catalog.thing_classes():
        raise ParamsError(
            f"params.yaml: synthesize.operations: {idle} move things, but no class of the training split occurs as "
            "things. Set them to 0."
        )
    if params.operations.get(JOINT, 0) > 0 and joint is None:
        raise ParamsError(
            "params.yaml: synthesize.operations: joint needs a joint generator. Set train_gan.joint_steps above 0, or "
            "joint to 0."
        )
    if joint is not None:
        joint.class_table.require_same(
            catalog.classes, place="the joint generator", other="the training split",
            cure="Run the stage train_gan on this data.",
        )  # fmt: skip


def draw_layout(inputs: LayoutInputs, *, seed: int) -> Layout:
    """Draw the layout of a seed."""
    return _draw(np.random.default_rng(seed), inputs, inputs.params.operations, seed)


def draw_real_layout(inputs: LayoutInputs, *, seed: int) -> Layout:
    """Draw the layout of a seed, only by operations whose layouts can be composed from real pixels.

    Their weights keep the proportions of the params. If all of their weights are 0, things are pasted; if there are no
    things, a training label map is mirrored.
    """
    weights = {
        name: value for name, value in inputs.params.operations.items() if OPERATIONS[name].real
    }
    if sum(weights.values()) <= 0:
        weights = {"copy_paste" if inputs.catalog.thing_classes() else "flip": 1.0}
    # A separate random stream: the numbers that chose an operation without real pixels would choose its neighbour.
    return _draw(np.random.default_rng([seed, 1]), inputs, weights, seed)


def _draw(
    rng: np.random.Generator, inputs: LayoutInputs, operations: Mapping[str, float], seed: int
) -> Layout:
    names = sorted(operations)
    weights = np.array([operations[name] for name in names], dtype=np.float64)
    operation = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    draw: Callable[[np.random.Generator, LayoutInputs], OperationResult] = load_path(
        OPERATIONS[operation].path
    )
    drawn = draw(rng, inputs)
    return Layout(drawn.label_map, operation, drawn.steps, seed, drawn.unplaced)
