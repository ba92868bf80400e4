"""The input and the result of an operation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ocrnet.config import SynthesizeParams
from ocrnet.gan.layouts.catalog import Catalog
from ocrnet.gan.layouts.regions import LabelMap
from ocrnet.gan.layouts.sampling import Odds

TRIES = 20  # for one object, box or warp

Canvas = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """What every layout of a set is drawn from.

    Args:
        catalog: Catalog of the training split.
        params: Parameters of the stage.
        odds: Odds of classes and images.
    """

    catalog: Catalog
    params: SynthesizeParams
    odds: Odds


@dataclass(frozen=True)
class Drawn:
    """What an operation drew.

    Args:
        label_map: Class ids.
        steps: Plain data from which the label map is made, the base first.
        unplaced: Number of objects, boxes or warps for which no plausible place was found.
    """

    label_map: LabelMap
    steps: tuple[Any, ...]
    unplaced: int = 0


@dataclass(frozen=True)
class StepKind:
    """How one kind of step is carried out.

    Args:
        apply: Function that returns the label map after the step.
        render: Function that returns the picture after the step from real pixels alone; None if there can be none.
    """

    apply: Callable[[Catalog, LabelMap, Any], LabelMap]
    render: Callable[[Catalog, Canvas, Any], Canvas] | None
