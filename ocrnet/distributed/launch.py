"""A training by several processes, seen from the one that starts them.

The ranks are started by torchrun's agent inside this process, as by `torchrun --standalone --nproc-per-node N -m
ocrnet.distributed.rank`, without its report of errors. A rank gets what it needs as one JSON file, and a rank that
fails leaves a note: this process raises an `OcrnetError` again, and reports any other error with the rank's traceback.
"""

import contextlib
import json
import logging
import os
import signal
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from ocrnet import errors
from ocrnet.distributed.rank import NOTE_FILE
from ocrnet.errors import MachineError, OcrnetError, ParamsError, TrainError

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


@runtime_checkable
class RankJob(Protocol):
    """A training that several processes can share; its file names its class, which reads it."""

    @property
    def processes(self) -> int:
        """The number of processes that take part."""

    def check(self, *, devices: int) -> None:
        """Refuse what this machine cannot run."""

    def write(self, folder: Path) -> None:
        """Write the job's file."""


def launch(job: RankJob) -> None:
    """Train by as many ranks as the job asks for, and return when all have ended.

    A signal that ends this process ends the ranks first.

    Raises:
        ParamsError: There are fewer CUDA devices than processes.
        OcrnetError: A rank failed with this error.
        RuntimeError: A rank failed otherwise; with its traceback if it left one.
    """
    processes = job.processes
    job.check(devices=torch.cuda.device_count())
    caught: signal.Signals | None = None
    with tempfile.TemporaryDirectory(prefix="ocrnet-ranks-") as name, _as_before(processes):
        folder = Path(name)
        job.write(folder)
        config = LaunchConfig(
            min_nodes=1, max_nodes=1, nproc_per_node=processes, run_id=str(uuid.uuid4()), rdzv_backend="c10d",
            rdzv_endpoint="localhost:0", max_restarts=0, logs_specs=DefaultLogsSpecs(log_dir=str(folder / "logs")),
            signals_to_handle=",".join(number.name for number in SIGNALS),
        )  # fmt: skip
        try:
            elastic_launch(config, sys.executable)(
                "-m", "ocrnet.distributed.rank", name, os.getpid()
            )
        except ChildFailedError as error:
            raise _reason(folder, error, processes) from None
        except SignalException as error:
            caught = error.sigval
    if caught is not None:
        signal.raise_signal(caught)  # as it would have ended a training by one process


def check_devices(section: str, processes: int, *, devices: int) -> None:
    """Refuse more processes than there are CUDA devices.

    Args:
        section: Section of the params that sets the number of processes.
        processes: Number of processes.
        devices: Number of CUDA devices; with 0 the CPU trains.

    Raises:
        ParamsError: There are fewer CUDA devices than processes.
    """
    if 0 < devices < processes:
        raise ParamsError(
            f"params.yaml: {section}.processes: found {processes}, but there are {devices} CUDA devices and each "
            "process needs one. Lower it, or train on the CPU with CUDA_VISIBLE_DEVICES=''."
        )


@contextlib.contextmanager
def _as_before(processes: int) -> Iterator[None]:
    """Set the environment that the agent and the ranks read, and restore it and the agent's changes afterwards."""
    environment, handlers = (
        dict(os.environ),
        {number: signal.getsignal(number) for number in SIGNALS},
    )
    agent = logging.getLogger("torch.distributed.elastic")
    level = agent.level
    agent.setLevel(logging.CRITICAL)  # it logs each process that it ends
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // processes)))
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # DDP warns of an option that we mean
    package = str(Path(__file__).resolve().parents[2])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    try:
        yield
    finally:
        agent.setLevel(level)
        os.environ.clear()
        os.environ.update(environment)
        for number, handler in handlers.items():
            if signal.getsignal(number) != handler:
                signal.signal(number, handler)


def _reason(folder: Path, error: ChildFailedError, processes: int) -> Exception:
    """Return what to raise for ranks that failed: an error of ours, a signal, or the first traceback."""
    notes = [json.loads(path.read_text()) for path in folder.glob(NOTE_FILE.format(rank="*"))]
    notes.sort(key=lambda note: (note["kind"] is None, note["time"]))
    if notes and notes[0]["kind"] is not None:
        kind: type[OcrnetError] = getattr(errors, notes[0]["kind"])
        return kind(notes[0]["message"])
    for number, failure in error.failures.items():
        if failure.exitcode < 0:
            # Out of memory ends a process by SIGKILL, out of shared memory by SIGBUS.
            of_machine = -failure.exitcode in (signal.SIGKILL, signal.SIGBUS)
            return (MachineError if of_machine else TrainError)(
                f"process {number} of {processes} was ended by {failure.signal_name()}, as when "
                "memory is short. Run the stage again: it goes on from its last checkpoint."
            )
    if notes:
        return RuntimeError(
            f"process {notes[0]['rank']} of {processes} failed:\n{notes[0]['message']}"
        )
    number, failure = error.get_first_failure()
    return RuntimeError(f"process {number} of {processes} ended with exit code {failure.exitcode}")
