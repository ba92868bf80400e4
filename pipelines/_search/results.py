"""What the trials of a search yielded, as plain values for pages, tables and MLflow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

COMPLETE, PRUNED, FAILED = "complete", "pruned", "failed"


@dataclass(frozen=True)
class Result:
    """One trial that ended.

    Args:
        number: Number of the trial, from 0.
        state: One of `complete`, `pruned` and `failed`.
        values: Values of the searched keys.
        miou: Mean over the seeds of the best validation mIoU, in [0, 1]; None unless complete.
        points: Validations of the first seed as pairs of step and mIoU.
        reason: Reason of a failure, else empty.
        times_ms: Wall-clock times of its begin and its end in milliseconds.
    """

    number: int
    state: str
    values: Mapping[str, Any]
    miou: float | None
    points: tuple[tuple[int, float], ...] = ()
    reason: str = ""
    times_ms: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Summary:
    """A search as far as it ran.

    Args:
        name: Name of the search.
        identity: Random text that no other search has.
        space: Range or choices of each key, as written.
        seeds: Seeds of each trial.
        results: Trials that ended, by number.
        start: Number of the trial with the params that the search started from; None if they are not in the space.
        importance: Share of each key in the variance of the score, in [0, 1]; empty if there are too few trials.
    """

    name: str
    identity: str
    space: Mapping[str, str]
    seeds: tuple[int, ...]
    results: Sequence[Result]
    start: int | None
    importance: Mapping[str, float] = field(default_factory=dict)

    @property
    def best(self) -> Result | None:
        """The complete trial with the highest mIoU, the first one of equals; None if no trial is complete."""
        complete = [one for one in self.results if one.miou is not None]
        return max(complete, key=lambda one: (one.miou, -one.number), default=None)

    @property
    def of_start(self) -> Result | None:
        """The trial of the params that the search started from."""
        return next((one for one in self.results if one.number == self.start), None)

    def count(self, state: str) -> int:
        """Return the number of trials in a state."""
        return sum(one.state == state for one in self.results)
