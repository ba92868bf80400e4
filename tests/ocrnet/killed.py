"""A training that dies in the middle, as by a SIGKILL."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


class KilledError(Exception):
    """Stands for a SIGKILL in the middle of a run."""


@contextmanager
def killed_at(trainer: Any, step: int) -> Iterator[None]:
    """Let the training in the block die when it begins a step, and expect that it does.

    Args:
        trainer: Class whose method `step` is called with the number of the step.
        step: Number of the step, from 0.
    """
    take_step = trainer.step

    def step_or_die(self: Any, number: int, *batches: Any) -> Any:
        if number == step:
            raise KilledError
        return take_step(self, number, *batches)

    trainer.step = step_or_die
    try:
        with pytest.raises(KilledError):
            yield
    finally:
        trainer.step = take_step
