"""One of several processes of a training, started by `launch`: `python -m ocrnet.distributed.rank FOLDER PARENT`."""

import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from ocrnet.data.files import write_whole
from ocrnet.errors import OcrnetError
from ocrnet.errors.machine import machine_error
from ocrnet.record import Recorder

JOB_FILE = "job.json"
NOTE_FILE = "failed-{rank}.json"
WATCH_S = 0.2


class NoRecorder(Recorder):
    """The recorder of all ranks but the first, which writes nothing."""

    def __init__(self) -> None:
        pass

    def log(self, step: int, values: Mapping[str, float | int]) -> None:
        """Write nothing."""

    def state(self) -> dict[str, list[str]]:
        """Return no lines."""
        return {"lines": [], "stamps": []}

    def restore(self, state: Mapping[str, Sequence[str]]) -> None:
        """Write nothing."""

    def finish(self, metrics: Mapping[str, float | int]) -> None:
        """Write nothing."""


def main(folder: Path, parent: int) -> int:
    """Take this process's part in a training and return the exit code.

    Args:
        folder: Folder with the description of the training, which also takes a note of a failure.
        parent: Id of the process that started this one.
    """
    # The process that started the ranks ends them; an interrupt from the keyboard needs no traceback of each.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    rank = int(os.environ["RANK"])
    try:
        _train(folder, rank)
    except Exception as error:
        _leave_note(folder, rank, error)
        return 1
    return 0


def _train(folder: Path, rank: int) -> None:
    import torch
    import torch.distributed as dist

    # The job says which class reads and runs it.
    module, name = json.loads((folder / JOB_FILE).read_text())["kind"].split(":")
    job = getattr(import_module(module), name).read(folder)
    _set_up_logging(job.log_level if rank == 0 else logging.ERROR)
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    job.run(Recorder(job.record, times=job.times) if rank == 0 else NoRecorder())
    dist.destroy_process_group()


def _end_with(parent: int) -> None:
    """End this process when its parent ends: the agent starts ranks in separate sessions, which no signal reaches."""
    while os.getppid() == parent:
        time.sleep(WATCH_S)
    os._exit(1)


def _set_up_logging(level: int) -> None:
    logging.basicConfig(level=level, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.captureWarnings(capture=True)


def _leave_note(folder: Path, rank: int, error: Exception) -> None:
    """Tell the process that started this one what happened, in a file that is written whole or not at all."""
    error = machine_error(error) or error
    known = isinstance(error, OcrnetError)
    note: dict[str, Any] = {
        "rank": rank,
        "time": time.time(),
        "kind": type(error).__name__ if known else None,
        "message": str(error) if known else "".join(traceback.format_exception(error)),
    }
    path = folder / NOTE_FILE.format(rank=rank)
    write_whole(path, json.dumps(note))


if __name__ == "__main__":
    code = main(Path(sys.argv[1]), int(sys.argv[2]))
    logging.shutdown()
    # Not sys.exit: the other ranks may be waiting for this one, and what takes the group apart would wait for them.
    os._exit(code)
