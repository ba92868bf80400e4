"""Which stage runs when: as soon as what it reads is there, and again where the machine failed it.

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
# A worker that lost a stage hands it back to others this often: they may be busy for hours.
HAND_BACKS = 3
# Wrong params, wrong data: the same on every machine. 1 is a bug, or a training that cannot go on.
FINAL_CODES = frozenset({1, 2, 3, 4})


class End(StrEnum):
    """How a run of a stage ended."""

    DONE = "done"
    HANDED_BACK = "handed back"  # by a worker that failed it before
    FAILED = "failed"  # by its own fault: tried again nowhere
    LOST = "lost"  # by the machine's fault
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Ended:
    """The end of one run of a stage.

    Args:
        how: Kind of the end.
        words: Message for people.
        code: Exit code of the stage, where it has one.
        worker: Name of the worker that ran the stage, where it is known.
    """

    how: End
    words: str = ""
    code: int | None = None
    worker: str = ""


class Run(Protocol):
    """A run of a stage that was started."""

    def poll(self) -> Ended | None:
        """Return how it ended; None while it runs."""

    def cancel(self) -> None:
        """End it."""


class StageError(OcrnetError):
    """A stage failed, and with it the pipeline; its exit code is the stage's."""

    def __init__(self, words: str, code: int | None) -> None:
        super().__init__(words)
        self.exit_code = code or 1


@dataclass
class Told:
    """What happened to a stage in this run of the pipeline.

    Args:
        state: `restored`, `ran`, or how it ended.
        tries: Number of runs that were started.
        workers: Names of the workers that ran it, without repeats.
        seconds: Seconds from the first start to the end.
        started: Time of the first start, by the monotonic clock.
        handed_back: Number of times in a row that a worker handed it back since it was lost.
    """

    state: str
    tries: int = 0
    workers: list[str] = field(default_factory=list)
    seconds: float = 0.0
    started: float = 0.0
    handed_back: int = 0


@dataclass
class Schedule:
    """A run of the pipeline.

    Args:
        advance: Function that restores what it can and returns the state of each stage except those given.
        start: Function that starts a stage in its pool, if possible not on one of the workers named.
        retries: Number of times that a stage is started again after its machine failed.
    """

    advance: Callable[[Sequence[str]], Sequence[Mapping[str, Any]]]
    start: Callable[[Mapping[str, Any], Sequence[str]], Run]
    logger: "logging.Logger | logging.LoggerAdapter[Any]"
    retries: int = 2
    told: dict[str, Told] = field(default_factory=dict)
    _running: dict[str, tuple[Mapping[str, Any], Run]] = field(default_factory=dict)
    _done: list[str] = field(default_factory=list)
    _waiting: dict[str, Sequence[str]] = field(default_factory=dict)
    _failure: StageError | None = None

    def run(self) -> dict[str, Told]:
        """Run all stages and return what happened to each.

        Raises:
            StageError: a stage failed; stages that were running have finished, and no others were started.
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
        return self.told

    def _start_ready(self) -> None:
        """Start every stage that is ready; a stage that ends meanwhile may make others ready."""
        again = True
        while again and not self._failed():
            again = False
            # Small stages last: one that runs here keeps this process from starting others beside it.
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

        The next look at the graph starts DVC, which is too slow after each of many cells.
        """
        made = {*self._done, *(name for name, told in self.told.items() if told.state == "ran")}
        return not self._running or any(made.issuperset(up) for up in self._waiting.values())

    def _failed(self) -> bool:
        return self._failure is not None

    def _restored(self, name: str) -> None:
        self._done.append(name)
        if name not in self.told:
            self.told[name] = Told("restored")
            self.logger.info("%s: restored from the run cache", name)

    def _check_not_done(self, name: str) -> None:
        told = self.told.get(name)
        if told is not None and told.state == "ran":
            raise StageError(
                f"{name}: it ran, but its outputs did not arrive. The worker and this one must share a DVC remote or "
                f"cache, and the stage must write what it read alone.",
                None,
            )

    def _start(self, node: Mapping[str, Any], avoid: Sequence[str] = ()) -> None:
        name = node["name"]
        told = self.told.setdefault(name, Told("started", started=time.monotonic()))
        told.tries += 1
        self._running[name] = (node, self.start(node, avoid))

    def _collect(self) -> bool:
        """Check the running stages and return whether one is done."""
        progress = False
        for name, (node, run) in list(self._running.items()):
            ended = run.poll()
            if ended is None:
                continue
            del self._running[name]
            told = self.told[name]
            told.seconds = time.monotonic() - told.started
            if ended.worker and ended.worker not in told.workers:
                told.workers.append(ended.worker)
            progress = self._end(node, told, ended) or progress
        return progress

    def _end(self, node: Mapping[str, Any], told: Told, ended: Ended) -> bool:
        name = node["name"]
        if ended.how is End.DONE:
            told.state = "ran"
            self.logger.info("%s: done in %.0f s", name, told.seconds)
            if node["always"]:
                self._done.append(name)
            return True
        if ended.how is End.HANDED_BACK and not self._failed():
            told.tries -= 1
            told.handed_back += 1
            self._start(node, told.workers if told.handed_back < HAND_BACKS else ())
        elif ended.how is End.LOST and told.tries <= self.retries and not self._failed():
            self.logger.warning("%s: %s; it is started again", name, ended.words)
            told.handed_back = 0
            self._start(node, told.workers)
        else:
            told.state = str(ended.how)
            self.logger.error("%s: %s", name, ended.words)
            self._failure = self._failure or StageError(f"{name}: {ended.words}", ended.code)
        return False
