"""Several processes of one command: one log, one error, one exit code, and no process that outlives the command."""

import os
import re
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from torch.distributed.elastic.multiprocessing.errors import (
    ChildFailedError,
    ErrorHandler,
    ProcessFailure,
)

from ocrnet.errors import DataError, MachineError, ParamsError, TrainError
from pipelines._stage.torchrun import check_devices, failure_of
from tests.limits import HANG_S
from tests.ocrnet.distributed.ranks import CONTEXT

from .torchrun_job import main

ROOT = Path(__file__).parents[2]


def run_in(folder: Path, case: str) -> None:
    """Run the command in this process, which was forked for it, and end with its exit code."""
    # A shell that starts the tests by `&` lets them ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.environ |= {"PYTHONPATH": str(ROOT)}
    os.environ.pop("OMP_NUM_THREADS", None)
    os.dup2(os.open("stderr.txt", os.O_WRONLY | os.O_CREAT), 2)
    sys.exit(main(case))


def start(folder: Path, case: str) -> ForkServerProcess:
    process = CONTEXT.Process(target=run_in, args=(folder, case))
    process.start()
    return process


def run(folder: Path, case: str) -> tuple[int | None, list[str]]:
    """Return the exit code and the lines of the command, without the times."""
    process = start(folder, case)
    process.join(timeout=HANG_S)
    lines = (folder / "stderr.txt").read_text().splitlines()
    return process.exitcode, [line[9:] if line[2:3] == ":" else line for line in lines]


THREADS = f"rank 0 uses {max(1, len(os.sched_getaffinity(0)) // 2)} threads"


@pytest.mark.slow
def test_the_first_rank_logs_and_the_cores_are_shared_out(tmp_path: Path) -> None:
    assert run(tmp_path, "success") == (0, [THREADS, "the sum over all ranks is 2"])


@pytest.mark.slow
def test_an_error_of_one_rank_ends_the_command_in_its_lines(tmp_path: Path) -> None:
    """The other rank waits for the one that met a damaged image, and is ended."""
    told = ["job: a.png: broken.", "job: b.png: broken."]
    assert run(tmp_path, "data") == (DataError.exit_code, [THREADS, *told])


def failed(folder: Path, rank: int, *, code: int, error: Exception | None) -> ProcessFailure:
    """Return what torchrun knows of a rank that failed, of one that recorded its error if there is one."""
    file = folder / f"{rank}.json"
    if error is not None:
        handler = ErrorHandler()
        handler._get_error_file_path = lambda: str(file)  # type: ignore[method-assign]
        try:
            raise error
        except Exception as raised:
            handler.record_exception(raised)
    return ProcessFailure(rank, pid=rank + 1, exitcode=code, error_file=str(file))


LOST = RuntimeError(
    "Connection closed by peer"
)  # what a rank meets that waits for one that has ended


@pytest.mark.parametrize(
    ("codes", "raised", "kind", "message"),
    [
        ((1, 1), (LOST, DataError("a.png: broken.\nb.png: broken.")), DataError, r"^a.png: broken.\nb.png: broken.$"),
        ((1, 1), (DataError("a.png"), MachineError("NCCL")), DataError, "^a.png$"),
        ((1, -9), (LOST, None), MachineError, "process 1 of 2 was ended by SIGKILL, as when memory is short"),
        ((-7, 1), (None, LOST), MachineError, "process 0 of 2 was ended by SIGBUS"),
        ((-11, 1), (None, LOST), TrainError, "process 0 of 2 was ended by SIGSEGV"),
        ((1, 1), (KeyError("bug"), LOST), RuntimeError, r"process 0 of 2 failed:\nTrace(.*\n)+KeyError: 'bug'"),
        ((3, 1), (None, None), RuntimeError, "^process 0 of 2 ended with exit code 3$"),
    ],
)  # fmt: skip
def test_of_several_failures_the_one_that_says_most_is_told(
    tmp_path: Path, codes: tuple[int, int], raised: tuple[Exception | None, Exception | None],
    kind: type[Exception], message: str,
) -> None:  # fmt: skip
    """An error of ours comes before a signal, and a signal before the errors of the ranks that it left alone."""
    failures = {
        rank: failed(tmp_path, rank, code=codes[rank], error=raised[rank]) for rank in range(2)
    }
    told = failure_of(ChildFailedError("train", failures), 2)
    assert type(told) is kind
    assert re.search(message, str(told))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_rank_outlives_the_command(tmp_path: Path, number: signal.Signals) -> None:
    process = start(tmp_path, "endless")
    files = [tmp_path / f"{rank}.pid" for rank in range(2)]
    try:
        wait_for("the ranks", lambda: all(file.exists() and file.read_text() for file in files))
        ranks = [int(file.read_text()) for file in files]
        assert process.pid is not None
        os.kill(process.pid, number)
        process.join(timeout=HANG_S)
        assert process.exitcode == -number
        wait_for("the ranks to end", lambda: not any(map(is_alive, ranks)))
    finally:
        process.kill()
    assert "Traceback" not in (tmp_path / "stderr.txt").read_text()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(what: str, condition: Callable[[], bool]) -> None:
    for _ in range(24_000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError(f"waited in vain for {what}")


def test_more_processes_than_cuda_devices_are_refused_in_one_line() -> None:
    with pytest.raises(ParamsError, match="found 4, but there are 2 CUDA devices") as error:
        check_devices("train_gan", 4, devices=2)
    assert "\n" not in str(error.value)
    for processes, devices in ((4, 0), (4, 4), (1, 0)):
        check_devices("train_gan", processes, devices=devices)
