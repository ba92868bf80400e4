"""Let a process continue after its terminal was closed: a line printed then must not end the process."""

import os
import signal
from collections.abc import Callable
from types import FrameType

STREAMS = (1, 2)


class Terminal:
    """The terminal in which a process was started, if any."""

    def __init__(self) -> None:
        self._streams = [one for one in STREAMS if os.isatty(one)]

    def leave_if_closed(self) -> None:
        """Discard all further prints if the terminal is closed."""
        for stream in self._streams:
            if not os.isatty(stream):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream)
                os.close(nowhere)


def handle_stop(handler: "Callable[[int, FrameType | None], None]") -> None:
    """Call a handler on Ctrl-C, on SIGTERM, and when the terminal is closed, unless `nohup` was used."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # A shell that starts this by `&` makes it ignore interrupts; ignored hang-ups are the user's wish (`nohup`).
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)
