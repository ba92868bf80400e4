"""The loop of a training: it continues where the last checkpoint was written, and counts each step once."""

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from ocrnet.checkpoint import CheckpointStore
from ocrnet.record import METRICS_LINES, Recorder
from ocrnet.run_loop import RunLoop
from tests.ocrnet.conftest import toy_params

RECIPE = toy_params(steps=10, checkpoint_interval=4).train


class Sum(RunLoop):
    """Adds up the numbers of its steps, and ends early at one of them."""

    total = 0
    dies_at = -1

    def steps_left(self) -> Iterable[int]:
        return range(self.done, RECIPE.steps)

    def take_step(self, step: int) -> None:
        if step == self.dies_at:
            raise KeyboardInterrupt
        self.total += step
        self.done = step + 1
        self._recorder.log(self.done, {"total": self.total})
        self.log_line(f"total {self.total}")

    def state(self) -> dict[str, Any]:
        return {"total": self.total}

    def restore(self, state: dict[str, Any]) -> None:
        self.total = state["total"]


def run(folder: Path, *, dies_at: int = -1) -> Sum:
    loop = Sum(RECIPE, recorder=Recorder(folder / "out"), store=CheckpointStore(folder / "state"))
    loop.dies_at = dies_at
    loop.run()
    return loop


def test_a_killed_loop_continues_from_its_last_checkpoint(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, dies_at=6)
    with caplog.at_level(logging.INFO):
        loop = run(tmp_path)
    assert (loop.done, loop.total) == (10, 45)
    assert caplog.messages[:2] == ["resuming at step 4 of 10", "step  5/10  total 10"]
    lines = (tmp_path / "out" / METRICS_LINES).read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, 11))


def test_a_loop_whose_steps_are_done_takes_none(tmp_path: Path) -> None:
    run(tmp_path).save()
    assert run(tmp_path, dies_at=8).total == 45
