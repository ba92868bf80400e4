"""The input and the result of an operation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ocrnet.config import SynthesizeParams
from ocrnet.gan.layouts.catalog import Catalog
from ocrnet.gan.layouts.regions import LabelMap, Numbers, Region
from ocrnet.gan.layouts.sampling_weights import SamplingWeights
from ocrnet.protocols import JointLike

TRIES = 20  # attempts for one object, box or warp

Canvas = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LayoutInputs:
    """The inputs of all layouts of a set.

    Args:
        catalog: Catalog of the training split.
        params: Params of the stage.
        weights: Sampling weights of classes and images.
        joint: Joint generator, for the operation `joint`.
    """

    catalog: Catalog
    params: SynthesizeParams
    weights: SamplingWeights
    joint: JointLike | None = None


@dataclass(frozen=True)
class OperationResult:
    """The result of an operation.

    Args:
        label_map: Class ids (H, W).
        steps: Plain data from which the label map is made, the base first.
        unplaced: Number of objects, boxes or warps for which no plausible place was found.
    """

    label_map: LabelMap
    steps: tuple[Any, ...]
    unplaced: int = 0


@dataclass(frozen=True)
class StepKind:
    """The functions of one kind of step.

    Args:
        apply: Function that returns the label map after the step.
        render: Function that returns the image after the step, from real pixels alone; None if that is impossible.
        number: Function that returns the instance map after the step, given label map and instance map before it.
        changed: Function that returns the pixels that show something new after the step, given the label map before
            it; None for a step that comes before all others and shows a real image.
    """

    apply: Callable[[Catalog, LabelMap, Any], LabelMap]
    render: Callable[[Catalog, Canvas, Any], Canvas] | None
    number: Callable[[Catalog, LabelMap, Numbers, Any], Numbers]
    changed: Callable[[Catalog, LabelMap, Any], Region] | None
