"""The validations of a training while it runs, and the decision to end it."""

import json
from pathlib import Path

from optuna.trial import Trial

from ocrnet.record import METRICS_FILE, METRICS_LINES

SCORE = "val/mIoU"


class Watch:
    """Reports validations from the file of a running training to a trial.

    Args:
        trial: Trial that the training belongs to.
        out: Output folder of the training.
        known: Steps that an earlier process reported.
        last_step: Step at which nothing is left to save; None: there are other trainings after this one.
    """

    def __init__(self, trial: Trial, out: Path, *, known: set[int], last_step: int | None) -> None:
        self._trial = trial
        self._out = out
        self._known = set(known)
        self._last_step = last_step

    def take(self) -> list[tuple[int, float]]:
        """Report the validations that are new, and return them as pairs of step and mIoU."""
        new = [one for one in read_validations(self._out) if one[0] not in self._known]
        for step, value in new:
            self._trial.report(value, step)
            self._known.add(step)
        return new

    def should_end(self) -> bool:
        """Tell whether the pruner ends the trial at its last validation; a finished training is not ended."""
        finished = (self._out / METRICS_FILE).exists() and self._last_step is not None
        at_end = self._last_step is not None and max(self._known, default=0) >= self._last_step
        return not finished and not at_end and self._trial.should_prune()


def read_validations(out: Path) -> list[tuple[int, float]]:
    """Return step and mIoU of the validations that a training has written so far; a line that is half written waits."""
    try:
        text = (out / METRICS_LINES).read_text()
    except FileNotFoundError:
        return []
    lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    return [(line["step"], line[SCORE]) for line in lines if SCORE in line]


def read_score(out: Path) -> float:
    """Return the mIoU of a finished training's best validation, in [0, 1]."""
    return float(json.loads((out / METRICS_FILE).read_text())[SCORE])
