"""The loop of a training: it continues from the last checkpoint, runs the steps that are left and saves its state."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from ocrnet.checkpoint import CheckpointStore
from ocrnet.config import TrainGanParams, TrainParams
from ocrnet.distributed.ranks import rank
from ocrnet.record import Recorder
from ocrnet.runtime import Pace

logger = logging.getLogger(__name__)


class RunLoop(ABC):
    """One training from its first step, or from its last checkpoint, to its last step.

    Args:
        recipe: Params with the number of steps, the batch size and the checkpoint interval.
        recorder: Recorder of the metrics.
        store: Store of the checkpoint.

    Attributes:
        done: Number of steps done.
        writes: Whether this process writes files; only the first process does.
        pace: Images per second and time left.
    """

    def __init__(
        self, recipe: TrainParams | TrainGanParams, *, recorder: Recorder, store: CheckpointStore
    ) -> None:
        self._recipe = recipe
        self._recorder = recorder
        self._store = store
        self.done = 0
        self.writes = rank() == 0

    def run(self) -> None:
        """Run the steps that are left."""
        self._resume()
        recipe = self._recipe
        self.pace = Pace(recipe.steps, first=self.done, images=recipe.batch_size)
        for step in self.steps_left():
            self.take_step(step)
            if self.done % recipe.checkpoint_interval == 0:
                self.save()

    @abstractmethod
    def steps_left(self) -> Iterable[int]:
        """Return the steps that are left, counted from 0."""

    @abstractmethod
    def take_step(self, step: int) -> None:
        """Run a step, count it as done, and record metrics at the intervals of the params."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Return the state that the rest of the training depends on, besides the number of steps done."""

    @abstractmethod
    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state."""

    def log_line(self, text: str) -> None:
        """Log a text with the number of steps done."""
        if self.writes:
            steps = self._recipe.steps
            logger.info("step %*d/%d  %s", len(str(steps)), self.done, steps, text)

    def save(self) -> None:
        """Write a checkpoint."""
        if self.writes:
            lines = self._recorder.state()
            self._store.save({"done": self.done, "lines": lines, "training": self.state()})

    def _resume(self) -> None:
        saved = self._store.load()
        if saved is None:
            return
        self.done = saved["done"]
        self._recorder.restore(saved["lines"])
        self.restore(saved["training"])
        if self.writes:
            logger.info("resuming at step %d of %d", self.done, self._recipe.steps)
