"""Log an unreachable Prefect server in one line instead of one traceback per loop that polls it."""

import asyncio
import logging
import time

import httpx
from prefect.exceptions import FailedRun
from websockets.exceptions import WebSocketException

AGAIN_S = 60.0  # seconds between two such lines
LOGGERS = ("prefect", "asyncio", "websockets")
UNREACHABLE = (httpx.TransportError, ConnectionError, TimeoutError, WebSocketException, OSError)


class OneLine(logging.Filter):
    """Filter that shortens what Prefect and asyncio log about a lost connection."""

    def __init__(self) -> None:
        super().__init__()
        self._logged = -AGAIN_S

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is shown; remove its traceback if a server is unreachable."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, asyncio.CancelledError) and record.name == "asyncio":
            return False  # a loop that still polled the server when its run ended
        if isinstance(error, FailedRun) and record.name.startswith("prefect"):
            return False  # the state of the run is shown and has the reason
        if not isinstance(error, UNREACHABLE) or not record.name.startswith(LOGGERS):
            return True
        now = time.monotonic()
        if now - self._logged < AGAIN_S:
            return False
        self._logged = now
        words = " ".join(str(error).split()) or type(error).__name__
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg, record.args = (
            "the Prefect server is unreachable (%s); trying again",
            (words[:200],),
        )
        record.exc_info = record.exc_text = None
        return True


def log_in_one_line() -> None:
    """Add the filter to all present log handlers of this process."""
    only = OneLine()
    known = [logging.getLogger(name) for name in ("", *logging.root.manager.loggerDict)]
    for handler in {handler for logger in known for handler in logger.handlers}:
        handler.addFilter(only)
