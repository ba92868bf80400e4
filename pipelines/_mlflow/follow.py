"""The follower: sends a stage's metrics to MLflow while it runs, without slowing it.

It is a separate process, at the lowest priority, that reads the files which the stage writes anyway. It may die, be
stopped or find no server: `publish` completes the run from the same files. A follower holds a lock file while it
lives, so that there is one per stage, and `publish` finds the process to stop.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ocrnet.errors import StoreError
from ocrnet.record import RECORD_FILE

from .address import STATE, StoreAddress
from .stage_points import Point, StageRecord, is_complete, live_points, read_record, read_times

if TYPE_CHECKING:
    from .client import Session

logger = logging.getLogger(__name__)
FOLDER = STATE / "follow"
INTERVAL_S = 3.0
LONGEST_PAUSE_S = 30.0  # between attempts while the server is unreachable
DRAIN_S = 10.0  # after the stage's end
PATIENCE_S = 8.0  # of publish, between stopping a follower and killing it


def follow(
    out: Path, times: Path, alive: Callable[[], bool], target: StoreAddress, experiment: str
) -> None:
    """Send what the stage writes until it has ended and everything is sent, or the server stays unreachable.

    Args:
        out: Folder of the stage.
        times: Side file with the wall-clock time of each line.
        alive: Function that tells whether the stage's process runs.
        target: Store, from `find_address`.
        experiment: Name of the experiment.
    """
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    # A stage of seconds ends here, before mlflow is imported.
    while not (out / RECORD_FILE).is_file() or not live_points(out, [], now_ms=0):
        if not alive() or stopped.wait(INTERVAL_S / 3):
            return
    from .client import held

    record = read_record(out)
    path = lock_path(record.stage)
    while alive() and not stopped.is_set():
        try:  # the follower of a killed attempt may still be sending
            with held(path, wait_s=1.0, text=str(os.getpid())):
                _Follower(record, out, times, target, experiment).run(alive, stopped)
                return
        except TimeoutError:
            continue


class _Follower:
    """Sends the points of one stage to one run."""

    def __init__(
        self, record: StageRecord, out: Path, times: Path, target: StoreAddress, experiment: str
    ) -> None:
        self._record = record
        self._out = out
        self._times = times
        self._target = target
        self._experiment = experiment
        self._session: Session | None = None
        self._run_id: str | None = None
        self._known: dict[tuple[str, int], float] = {}
        self._is_published = False

    def run(self, alive: Callable[[], bool], stopped: threading.Event) -> None:
        """Send at intervals, more rarely while the server is unreachable; then send the rest and the final status."""
        pause = INTERVAL_S
        while alive() and not stopped.wait(pause):
            pause = INTERVAL_S if self._try(self._send) else min(2 * pause, LONGEST_PAUSE_S)
        end = time.monotonic() + DRAIN_S
        while not stopped.is_set() and time.monotonic() < end:
            # DVC may be moving the folder into its cache just now.
            if (self._out / RECORD_FILE).is_file() and self._try(self._finish):
                return
            stopped.wait(1.0)
        logger.info("%s: gave up; publish sends the rest", self._record.stage)

    def _try(self, step: Callable[[], None]) -> bool:
        refusal = self._target.refusal()
        if refusal is not None:
            logger.info("%s: %s", self._target.shown, refusal)
            return False
        from .client import outages

        ends: tuple[type[Exception], ...] = (*outages(), StoreError)
        try:
            step()
        except ends as error:
            # Whether the call took effect is unknown: read the run again before sending more.
            self._run_id, self._known = None, {}
            logger.info("%s: %s", self._target.shown, self._target.redact(str(error))[:300])
            return False
        return True

    def _send(self) -> None:
        from .runs import log_points, now_ms

        if not self._is_same_run():
            return
        points = live_points(self._out, read_times(self._times), now_ms=now_ms())
        if self._is_published and any(self._known.get(p.place) != p.value for p in points):
            self._run_id = None  # the same params and data, but other values: another run
        session, run_id = self._open(points)
        missing = [point for point in points if point.place not in self._known]
        if missing and not self._is_published:
            log_points(session, run_id, missing)
        self._known.update({point.place: point.value for point in missing})

    def _finish(self) -> None:
        if self._run_id is None and is_complete(self._out):
            return  # the stage ended before a run was started: publish, which DVC may be running now, sends all
        self._send()
        if self._session is not None and self._run_id is not None and not self._is_published:
            status = "FINISHED" if self._is_same_run() and is_complete(self._out) else "KILLED"
            self._session.client.set_terminated(self._run_id, status)

    def _is_same_run(self) -> bool:
        """Tell whether the folder still holds the stage that was started."""
        try:
            return read_record(self._out).fingerprint == self._record.fingerprint
        except (OSError, ValueError, KeyError):
            return False

    def _open(self, points: list[Point]) -> "tuple[Session, str]":
        from .client import connect
        from .runs import log_params

        if self._session is None:
            self._session = connect(self._target, self._experiment)
        session = self._session
        if self._run_id is None:
            self._known, self._is_published = {}, False
            self._run_id = self._find_run(session, points) or self._start_run(session, points)
            if not self._is_published:
                log_params(session, self._run_id, self._record)
        return session, self._run_id

    def _find_run(self, session: "Session", points: list[Point]) -> str | None:
        """Return the run of an earlier attempt, if its values agree with this one."""
        from .runs import FINGERPRINT_TAG, KEY_TAG, REPLACED_TAG, STAGE_TAG, find_run, read_history

        record = self._record
        found = find_run(session, {STAGE_TAG: record.stage, FINGERPRINT_TAG: record.fingerprint})
        if found is None or found.data.tags.get(REPLACED_TAG):
            return None
        run_id = str(found.info.run_id)
        known = {point.place: point.value for point in read_history(session, run_id)}
        is_published = KEY_TAG in found.data.tags
        for point in points:  # other code may have other values; a published run is whole
            if known.get(point.place, None if is_published else point.value) != point.value:
                return None
        self._known, self._is_published = known, is_published
        if not is_published:
            session.client.update_run(run_id, status="RUNNING")
        return run_id

    def _start_run(self, session: "Session", points: list[Point]) -> str:
        from .runs import create_run, now_ms

        start_ms = min((point.time_ms for point in points), default=now_ms())
        return create_run(session, self._record.stage, self._record.fingerprint, start_ms=start_ms)


def lock_path(stage: str) -> Path:
    """Return the lock file of a stage's follower; it holds the process id."""
    return FOLDER / f"{stage}.lock"


def stop_follower(stage: str) -> None:
    """End the follower of a stage, if it has one."""
    from .client import held

    path = lock_path(stage)
    if not path.is_file():
        return
    for number in (None, signal.SIGTERM, signal.SIGKILL):
        if number is not None:
            _signal(path, number)
        try:
            with held(path, wait_s=0.0 if number is None else PATIENCE_S):
                return
        except TimeoutError:
            continue


def watch(pid: int) -> Callable[[], bool]:
    """Return a function that tells whether the process lives.

    A stage starts its follower as a child. The system gives a child another parent when its parent ends; unlike a test
    of the process id, this is right for zombies and for ids that are used again.
    """
    if os.getppid() == pid:
        return lambda: os.getppid() == pid
    return lambda: _exists(pid)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _signal(path: Path, number: int) -> None:
    try:
        os.kill(int(path.read_text()), number)
    except (ValueError, OSError):  # the follower is gone, or has not written its id yet
        return
