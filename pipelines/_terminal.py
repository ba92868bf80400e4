"""A terminal that may be closed while a process goes on: a line that is printed then must not end the process."""

import os
import signal
from collections.abc import Callable
from types import FrameType

STREAMS = (1, 2)


class Terminal:
    """The terminal that a process was started in, if any."""

    def __init__(self) -> None:
        self._streams = [one for one in STREAMS if os.isatty(one)]

    def leave_if_closed(self) -> None:
        """Print to nowhere from now on, where the terminal is gone."""
        for stream in self._streams:
            if not os.isatty(stream):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream)
                os.close(nowhere)


def handle_stop(handler: "Callable[[int, FrameType | None], None]") -> None:
    """Call a handler on Ctrl-C, on SIGTERM, and when the terminal is closed, unless `nohup` was used."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # An interrupt that is ignored is a shell's doing, which started this by `&`; a hang-up that is, is meant to be.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)
