"""End a stage with the DVC that started it.

When only DVC is killed, its stage continues and its locks are free: the next `dvc repro` would run the stage a second
time, into the same folder.
"""

import logging
import os
import signal
import threading
import time
from pathlib import Path

logger = logging.getLogger(__name__)
INTERVAL = 1.0  # seconds between two checks


def end_with_dvc() -> None:
    """End this process soon after the DVC that started it is gone; do nothing where none did."""
    if "DVC_STAGE" in os.environ:
        threading.Thread(target=_watch, args=(_starter(),), daemon=True).start()


def _starter() -> int:
    """Return the id of the parent process, or of the parent's parent where the parent is a shell."""
    parent = os.getppid()
    try:
        name = Path(f"/proc/{parent}/comm").read_text().strip()
        ids = Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # not Linux, or the parent has just ended
        return parent
    return int(ids[1]) if name.endswith("sh") else parent


def _watch(starter: int) -> None:
    while _starter() == starter:
        time.sleep(INTERVAL)
    logger.warning(
        "the DVC that started this stage (process %d) is gone: stopping. The next `dvc repro` goes on from the last "
        "checkpoint",
        starter,
    )
    os.kill(os.getpid(), signal.SIGTERM)
