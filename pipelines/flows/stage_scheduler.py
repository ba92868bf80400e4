"""Schedule stages: start each as soon as its inputs are ready, and again after its machine failed.

This module uses neither Prefect nor DVC; `pipeline` connects it to both.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from ocrnet.errors import OcrnetError

POLL_S = 0.5
# A worker that lost a stage declines it this often in favour of others, which may be busy for hours.
DECLINES = 3
# Wrong params or data fail on every machine. 1 is a bug, or a training that cannot continue.
FINAL_CODES = frozenset({1, 2, 3, 4})


class End(StrEnum):
    """How a run of a stage ended."""

    DONE = "done"
    DECLINED = "declined"  # by a worker that lost it before
    FAILED = "failed"  # by its own fault: not retried
    LOST = "lost"  # by the machine's fault
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Ended:
    """The end of one run of a stage.

    Args:
        how: Kind of the end.
        words: Message for people.
        code: Exit code of the stage, if it has one.
        worker: Name of the worker that ran the stage, if it is known.
    """

    how: End
    words: str = ""
    code: int | None = None
    worker: str = ""


class Run(Protocol):
    """A run of a stage that was started."""

    def poll(self) -> Ended | None:
        """Return how the run ended; None while it runs."""

    def cancel(self) -> None:
        """End the run."""


class StageError(OcrnetError):
    """A stage failed, so the pipeline fails with the exit code of that stage."""

    def __init__(self, words: str, code: int | None) -> None:
        super().__init__(words)
        self.exit_code = code or 1


@dataclass
class StageHistory:
    """What happened to a stage in this run of the pipeline.

    Args:
        state: `restored`, `ran`, or how it ended.
        tries: Number of runs that were started.
        workers: Names of the workers that ran it, without repeats.
        seconds: Seconds from the first start to the end.
        started: Time of the first start, by the monotonic clock.
        declined: Number of times in a row that a worker declined it since it was lost.
    """

    state: str
    tries: int = 0
    workers: list[str] = field(default_factory=list)
    seconds: float = 0.0
    started: float = 0.0
    declined: int = 0


@dataclass
class Schedule:
    """A run of the pipeline.

    Args:
        advance: Function that restores stages from the cache and returns the state of each stage but the given ones.
        start: Function that starts a stage in its pool, if possible on none of the given workers.
        retries: Number of times that a stage is started again after its machine failed.
    """

    advance: Callable[[Sequence[str]], Sequence[Mapping[str, Any]]]
    start: Callable[[Mapping[str, Any], Sequence[str]], Run]
    logger: "logging.Logger | logging.LoggerAdapter[Any]"
    retries: int = 2
    history: dict[str, StageHistory] = field(default_factory=dict)
    _running: dict[str, tuple[Mapping[str, Any], Run]] = field(default_factory=dict)
    _done: list[str] = field(default_factory=list)
    _waiting: dict[str, Sequence[str]] = field(default_factory=dict)
    _failure: StageError | None = None

    def run(self) -> dict[str, StageHistory]:
        """Run all stages and return what happened to each.

        Raises:
            StageError: A stage failed; stages that were running have finished, and no others were started.
        """
        try:
            self._start_ready()
            while self._running:
                time.sleep(POLL_S)
                if self._collect() and not self._failed() and self._unblocked():
                    self._start_ready()
        except BaseException:
            for _, run in self._running.values():
                run.cancel()
            raise
        if self._failure is not None:
            raise self._failure
        return self.history

    def _start_ready(self) -> None:
        """Start every stage that is ready; a stage that ends meanwhile may make others ready."""
        again = True
        while again and not self._failed():
            again = False
            # Small stages last: while one runs in this process, the process starts no others.
            nodes = sorted(self.advance(self._done), key=lambda node: bool(node["small"]))
            self._waiting = {n["name"]: n["upstream"] for n in nodes if n["state"] == "waits"}
            for node in nodes:
                name = node["name"]
                if node["state"] == "restored":
                    self._restored(name)
                elif node["state"] == "ready" and name not in self._running:
                    self._check_not_done(name)
                    self._start(node)
                    again = self._collect()
                if again or self._failed():
                    break  # the states of the stages that follow are out of date

    def _unblocked(self) -> bool:
        """Tell whether a waiting stage has all its inputs, or nothing is running any more.

        Reading the graph again starts DVC, which is too slow after each of many cells.
        """
        made = {*self._done, *(name for name, one in self.history.items() if one.state == "ran")}
        return not self._running or any(made.issuperset(up) for up in self._waiting.values())

    def _failed(self) -> bool:
        return self._failure is not None

    def _restored(self, name: str) -> None:
        self._done.append(name)
        if name not in self.history:
            self.history[name] = StageHistory("restored")
            self.logger.info("%s: restored from the run cache", name)

    def _check_not_done(self, name: str) -> None:
        stage = self.history.get(name)
        if stage is not None and stage.state == "ran":
            raise StageError(
                f"{name}: it ran, but its outputs did not arrive. This machine and the worker must share a DVC "
                "remote or cache, and the outputs of the stage must depend on its inputs alone.",
                None,
            )

    def _start(self, node: Mapping[str, Any], avoid: Sequence[str] = ()) -> None:
        name = node["name"]
        stage = self.history.setdefault(name, StageHistory("started", started=time.monotonic()))
        stage.tries += 1
        self._running[name] = (node, self.start(node, avoid))

    def _collect(self) -> bool:
        """Check the running stages and return whether one is done."""
        progress = False
        for name, (node, run) in list(self._running.items()):
            ended = run.poll()
            if ended is None:
                continue
            del self._running[name]
            stage = self.history[name]
            stage.seconds = time.monotonic() - stage.started
            if ended.worker and ended.worker not in stage.workers:
                stage.workers.append(ended.worker)
            progress = self._end(node, stage, ended) or progress
        return progress

    def _end(self, node: Mapping[str, Any], stage: StageHistory, ended: Ended) -> bool:
        name = node["name"]
        if ended.how is End.DONE:
            stage.state = "ran"
            self.logger.info("%s: done in %.0f s", name, stage.seconds)
            if node["always"]:
                self._done.append(name)
            return True
        if ended.how is End.DECLINED and not self._failed():
            stage.tries -= 1
            stage.declined += 1
            self._start(node, stage.workers if stage.declined < DECLINES else ())
        elif ended.how is End.LOST and stage.tries <= self.retries and not self._failed():
            self.logger.warning("%s: %s; starting it again", name, ended.words)
            stage.declined = 0
            self._start(node, stage.workers)
        else:
            stage.state = str(ended.how)
            self.logger.error("%s: %s", name, ended.words)
            self._failure = self._failure or StageError(f"{name}: {ended.words}", ended.code)
        return False
