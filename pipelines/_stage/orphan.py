"""A stage ends with the DVC that started it.

Killed alone, DVC leaves its stage running and its locks free: the next `dvc repro` would run the stage a second time,
into the same folder.
"""

import logging
import os
import signal
import threading
import time
from pathlib import Path

logger = logging.getLogger(__name__)
INTERVAL = 1.0  # seconds between two looks


def end_with_dvc() -> None:
    """End this process soon after the DVC that started it is gone; do nothing where none did."""
    if "DVC_STAGE" in os.environ:
        threading.Thread(target=_watch, args=(_starter(),), daemon=True).start()


def _starter() -> int:
    """Return the process that started this one, or the shell around this one where there is still one."""
    parent = os.getppid()
    try:
        name = Path(f"/proc/{parent}/comm").read_text().strip()
        ids = Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # no Linux, or just gone
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
