"""A training by several processes: torchrun starts the same command in each, and each takes its part.

It is `torchrun --standalone --nproc-per-node N -m pipelines.train 0`, with the agent of torchrun in this process and
without its report of errors. An `OcrnetError` of a rank is raised again here, where it ends the command in one line,
and any other error is raised with the traceback of one rank.
"""

import contextlib
import logging
import os
import signal
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ocrnet import errors
from ocrnet.errors import MachineError, OcrnetError, ParamsError, TrainError
from ocrnet.errors.machine import machine_error
from pipelines._stage.rank import is_rank
from pipelines._stage.stage import Stage

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
PARENT = "OCRNET_LAUNCHER"  # id of the process that started the ranks
WATCH_S = 0.2
Section = Literal["train", "train_gan"]


def by_torchrun(section: Section) -> Callable[[Callable[[Stage], None]], Callable[[Stage], None]]:
    """Return a decorator that runs a stage's body in as many processes as its params say.

    Args:
        section: Section of the params that sets the number of processes.
    """

    def decorate(body: Callable[[Stage], None]) -> Callable[[Stage], None]:
        @wraps(body)
        def run(stage: Stage) -> None:
            command = [f"pipelines.{stage.name.partition('@')[0]}", *stage.cell]
            processes = getattr(stage.params, section).processes
            run_by_torchrun(partial(body, stage), command, section=section, processes=processes)

        return run

    return decorate


def run_by_torchrun(
    work: Callable[[], None], command: Sequence[str], *, section: Section, processes: int
) -> None:
    """Do work here, or start processes that do it together; one of these takes its part and ends.

    Args:
        work: Function that every process of the group calls.
        command: Module of this command with its arguments, which calls this function again in each process.
        section: Section of the params that sets the number of processes.
        processes: Number of processes.

    Raises:
        ParamsError: There are fewer CUDA devices than processes.
        OcrnetError: A rank failed with this error.
        RuntimeError: A rank failed otherwise; with its traceback if it left one.
    """
    if is_rank():
        _take_part(work)
    elif processes == 1:
        work()
    else:
        import torch

        check_devices(section, processes, devices=torch.cuda.device_count())
        launch(command, processes)


def check_devices(section: Section, processes: int, *, devices: int) -> None:
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


def launch(command: Sequence[str], processes: int) -> None:
    """Run a command in several processes until all have ended; a signal that ends this one ends them first."""
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    handled = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    _set_environment(processes)
    caught: signal.Signals | None = None
    with tempfile.TemporaryDirectory(prefix="ocrnet-ranks-") as folder:
        config = LaunchConfig(
            min_nodes=1, max_nodes=1, nproc_per_node=processes, run_id=str(uuid.uuid4()), rdzv_backend="c10d",
            rdzv_endpoint="localhost:0", max_restarts=0, logs_specs=DefaultLogsSpecs(log_dir=folder),
            signals_to_handle=",".join(number.name for number in handled),
        )  # fmt: skip
        try:
            elastic_launch(config, sys.executable)("-m", *command)
        except ChildFailedError as error:
            raise failure_of(error, processes) from None
        except SignalException as error:
            caught = error.sigval
    if caught is not None:  # end as a training by one process would have
        signal.signal(caught, signal.SIG_DFL)
        signal.raise_signal(caught)


def _set_environment(processes: int) -> None:
    """Set what the ranks inherit."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // processes)))
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # DDP warns of an option that we mean
    os.environ[PARENT] = str(os.getpid())


def failure_of(error: "ChildFailedError", processes: int) -> Exception:
    """Return what to raise for ranks that failed: an error of ours, else a signal, else the first traceback."""
    reported = sorted(
        (Path(failure.error_file).stat().st_mtime_ns, number)
        for number, failure in error.failures.items()
        if Path(failure.error_file).exists()
    )
    notes = {number: error.failures[number].error_file_data["message"] for _, number in reported}
    for note in notes.values():
        name, _, message = note["message"].partition(": ")
        kind = getattr(errors, name, None)
        if isinstance(kind, type) and issubclass(kind, OcrnetError):
            return kind(message)
    for number, failure in error.failures.items():
        if failure.exitcode < 0:
            # Out of memory ends a process by SIGKILL, out of shared memory by SIGBUS.
            of_machine = -failure.exitcode in (signal.SIGKILL, signal.SIGBUS)
            return (MachineError if of_machine else TrainError)(
                f"process {number} of {processes} was ended by {failure.signal_name()}, as when "
                "memory is short. Run it again: it continues from its last checkpoint."
            )
    for number, note in notes.items():
        traceback = note["extraInfo"]["py_callstack"]
        return RuntimeError(f"process {number} of {processes} failed:\n{traceback}")
    number, failure = error.get_first_failure()
    return RuntimeError(f"process {number} of {processes} ended with exit code {failure.exitcode}")


def _take_part(work: Callable[[], None]) -> None:
    """Do this rank's part and end the process; the command that started it does what comes after."""
    # An interrupt from the keyboard needs no traceback of each rank.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = int(os.environ.get(PARENT, os.getppid()))
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    from torch.distributed.elastic.multiprocessing.errors import get_error_handler

    try:
        with _group():
            work()
    except Exception as error:
        get_error_handler().record_exception(machine_error(error) or error)
        logging.shutdown()
        # Not sys.exit: the other ranks may be waiting for this one, and what takes the group apart would wait for them.
        os._exit(1)
    sys.exit(0)


@contextlib.contextmanager
def _group() -> Iterator[None]:
    """Join the group of all ranks, and leave it unless an error ends the block."""
    import torch
    import torch.distributed as dist

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    yield
    dist.destroy_process_group()


def _end_with(parent: int) -> None:
    """End this process when its parent ends: the agent starts ranks in separate sessions, which no signal reaches."""
    while os.getppid() == parent:
        time.sleep(WATCH_S)
    os._exit(1)
