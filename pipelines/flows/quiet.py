"""Log an unreachable Prefect server in one line instead of one traceback per loop that asks it."""

import asyncio
import logging
import time

import httpx
from prefect.exceptions import FailedRun
from websockets.exceptions import WebSocketException

AGAIN_S = 60.0  # between two such lines
LOGGERS = ("prefect", "asyncio", "websockets")
AWAY = (httpx.TransportError, ConnectionError, TimeoutError, WebSocketException, OSError)


class OneLine(logging.Filter):
    """Filter that shortens what Prefect and asyncio log about a lost connection."""

    def __init__(self) -> None:
        super().__init__()
        self._told = -AGAIN_S

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is shown; remove its traceback where a server is unreachable."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, asyncio.CancelledError) and record.name == "asyncio":
            return False  # a loop that was still asking when its run ended
        if isinstance(error, FailedRun) and record.name.startswith("prefect"):
            return False  # the state of the run, which is shown, says why it failed
        if not isinstance(error, AWAY) or not record.name.startswith(LOGGERS):
            return True
        now = time.monotonic()
        if now - self._told < AGAIN_S:
            return False
        self._told = now
        told = " ".join(str(error).split()) or type(error).__name__
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg, record.args = (
            "the Prefect server is away (%s); it is asked again",
            (told[:200],),
        )
        record.exc_info = record.exc_text = None
        return True


def tell_in_one_line() -> None:
    """Add the filter to all present log handlers of this process."""
    only = OneLine()
    known = [logging.getLogger(name) for name in ("", *logging.root.manager.loggerDict)]
    for handler in {handler for logger in known for handler in logger.handlers}:
        handler.addFilter(only)
