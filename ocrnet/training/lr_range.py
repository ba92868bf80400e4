"""Learning-rate range test (arXiv:1506.01186, section 3.3): the loss while the rate rises from step to step.

Differences from the paper: the rate rises geometrically, since a good one may lie anywhere within several powers of
ten; the training loss is watched instead of the accuracy; the test ends when the loss diverges.
"""

from typing import NamedTuple

from ocrnet.config import Params
from ocrnet.errors import TrainError
from ocrnet.training.data import TrainingData
from ocrnet.training.step import SegmenterTrainer

MEMORY = 0.9  # share of the last mean in the next one: a mean over about 10 steps
DIVERGED = 4.0  # mean loss / lowest mean loss, from which the loss has diverged
FEWEST_POINTS = 3  # of a curve: a slope is that of the loss from the step before to the step after
WINDOW = 20  # a smoothed loss is a mean over about a tenth of all steps, half of them on each side


class Point(NamedTuple):
    """One step of the test.

    Attributes:
        rate: Learning rate of the step.
        loss: Loss before the step.
        smooth: Mean of the losses around the step.
    """

    rate: float
    loss: float
    smooth: float


def range_test(
    params: Params, data: TrainingData, *, seed: int, low: float, high: float, steps: int
) -> list[Point]:
    """Train for some steps at rising rates, in one process, and return the steps until the loss diverged.

    Args:
        params: Params of all stages; batch, optimizer, loss and augmentation are those of the training.
        data: Training data.
        seed: Random seed of the weights and batches.
        low: Rate of the first step.
        high: Rate of the last step.
        steps: Number of steps, 3 or more.

    Raises:
        TrainError: The loss or the gradient is not finite in one of the first three steps.
    """
    recipe = params.train.model_copy(update={"steps": steps, "processes": 1})
    params = params.model_copy(update={"train": recipe})
    trainer = SegmenterTrainer(params, data, seed=seed)
    rates = [low * (high / low) ** (step / (steps - 1)) for step in range(steps)]
    losses: list[float] = []
    for step, batch in enumerate(data.batches(params, seed=seed)):
        try:
            losses.append(trainer.step(step, batch, rate=rates[step]).loss)
        except TrainError:
            if len(losses) < FEWEST_POINTS:
                raise
            break
        means = moving_average(losses)
        if len(losses) >= FEWEST_POINTS and means[-1] > DIVERGED * min(means):
            break
    return [Point(*row) for row in zip(rates, losses, smoothed(losses), strict=False)]


def moving_average(losses: list[float]) -> list[float]:
    """Return the exponential mean of the losses so far, after each of them; early means are not drawn to zero.

    Examples:
        >>> [round(mean, 3) for mean in moving_average([1.0, 1.0, 3.0])]
        [1.0, 1.0, 1.738]
    """
    means, total = [], 0.0
    for step, loss in enumerate(losses):
        total = MEMORY * total + (1 - MEMORY) * loss
        means.append(total / (1 - MEMORY ** (step + 1)))
    return means


def smoothed(losses: list[float]) -> list[float]:
    """Return the mean of the losses around each step, as far on both sides as there are losses on both.

    Unlike a moving average it does not lag behind the rate.
    """
    reach, last = max(1, len(losses) // WINDOW), len(losses) - 1
    around = [min(reach, step, last - step) for step in range(len(losses))]
    return [
        sum(losses[step - side : step + side + 1]) / (2 * side + 1)
        for step, side in enumerate(around)
    ]


def suggested_rate(points: list[Point]) -> float:
    """Return the rate at which the smoothed loss falls most from one tenth of the steps to the next."""
    reach = max(1, len(points) // WINDOW)
    inner = range(reach, len(points) - reach)
    steepest = min(inner, key=lambda at: points[at + reach].smooth - points[at - reach].smooth)
    return points[steepest].rate


def remark(points: list[Point], *, high: float) -> str:
    """Return why the suggestion should not be trusted, or an empty text.

    Args:
        points: Steps of the test.
        high: Rate at which the test was to end.
    """
    lowest = min(points, key=lambda point: point.smooth)
    if lowest.rate >= 0.5 * high:
        return "the loss was still falling at the highest rate: raise --high"
    if lowest.smooth > 0.9 * points[0].smooth:
        return "the loss never fell by a tenth: take more --steps, or lower --low"
    return ""
