"""A failure of the machine is one whatever library says it, and leaves no half-written file."""

import errno
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from PIL import Image

from ocrnet.checkpoint import CheckpointStore
from ocrnet.errors import DataError, MachineError, ParamsError, ServerError
from ocrnet.errors.machine import is_of_machine, machine_error, words_of

BIG = {"a": torch.zeros(1_000_000)}
LIMIT = 2**20  # bytes


def write_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.executemany("INSERT INTO t VALUES (?)", [("x" * 1000,)] * 4000)
        connection.commit()


WRITERS: dict[str, Callable[[Path], object]] = {
    "checkpoint": lambda folder: CheckpointStore(folder / "of").save(BIG),
    "torch": lambda folder: torch.save(BIG, str(folder / "a.pt")),
    "safetensors": lambda folder: safetensors.torch.save_file(BIG, folder / "a.safetensors"),
    "numpy": lambda folder: np.save(folder / "a.npy", np.zeros(1_000_000)),
    "pandas": lambda folder: pd.DataFrame({"a": range(500_000)}).to_csv(folder / "a.csv"),
    "Pillow": lambda folder: Image.effect_noise((2000, 2000), 90).save(folder / "a.png"),
    "sqlite": lambda folder: write_database(folder / "a.db"),
}


@pytest.fixture
def limited() -> Iterator[None]:
    """Let no file of this process grow beyond the limit, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", f"size={LIMIT}", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("may not mount a disk here; the test with a limit of the process does the same")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("library", WRITERS)
def test_a_full_disk_is_one(full_disk: Path, library: str) -> None:
    with pytest.raises(Exception, match=r".") as caught:
        WRITERS[library](full_disk)
    assert is_of_machine(caught.value)
    assert len(words_of(caught.value).splitlines()) == 1
    assert list(full_disk.rglob("*.partial")) == []


@pytest.mark.parametrize("library", [name for name in WRITERS if name != "sqlite"])
@pytest.mark.usefixtures("limited")
def test_a_file_that_may_not_grow_is_one(tmp_path: Path, library: str) -> None:
    with pytest.raises(Exception, match=r".") as caught:
        WRITERS[library](tmp_path)
    assert is_of_machine(caught.value)
    assert list(tmp_path.rglob("*.partial")) == []


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    store.save({"step": 1})
    with pytest.raises(AttributeError):
        store.save({"step": lambda: 2})  # no pickle takes it
    assert store.load() == {"step": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("of 3 GiB"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        *(OSError(getattr(errno, name), os.strerror(getattr(errno, name))) for name in (
            "ENOSPC", "EDQUOT", "EIO", "EROFS", "ESTALE", "EMFILE", "ENFILE", "ENOMEM", "EFBIG", "EACCES", "EPERM",
        )),
        OSError("[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device"),
        RuntimeError("DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that ..."),
        RuntimeError("DataLoader worker (pid(s) 7) exited unexpectedly"),
        RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "),
        RuntimeError("unable to write to file </torch_7_1>: No space left on device (28)"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("can't start new thread"),
        sqlite3.OperationalError("database or disk is full"),
        sqlite3.OperationalError("attempt to write a readonly database"),
    ],
    ids=str,
)  # fmt: skip
def test_what_libraries_say_of_the_machine(error: Exception) -> None:
    assert is_of_machine(error)
    told = machine_error(error)
    assert told is not None
    assert told.exit_code == 75


@pytest.mark.parametrize(
    "error",
    [
        KeyError("No space left on device"),  # a name, and no library's word
        FileNotFoundError(errno.ENOENT, "No such file or directory"),
        IsADirectoryError(errno.EISDIR, "Is a directory"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        RuntimeError("CUDA error: device-side assert triggered"),
        RuntimeError("DataLoader worker (pid 7) is killed by signal: Segmentation fault. "),
        sqlite3.OperationalError("no such table: runs"),
        DataError("masks/a.png: No space left on device"),
    ],
    ids=str,
)
def test_what_is_a_bug_or_the_data(error: Exception) -> None:
    assert machine_error(error) is None


@pytest.mark.parametrize(("number", "of_machine"), [(errno.EIO, True), (errno.EACCES, False)])
def test_a_finding_counts_by_what_it_was_raised_for(number: int, of_machine: bool) -> None:
    """A disk that cannot be read is the machine's, a file that nobody may read is the user's."""
    with pytest.raises(DataError) as caught:
        read(number)
    assert is_of_machine(caught.value) is of_machine


def read(number: int) -> None:
    try:
        raise OSError(number, os.strerror(number))
    except OSError as error:
        raise DataError(f"E121 images/a.png cannot be read ({error})") from error


def test_an_error_that_names_no_cause_stands_for_itself() -> None:
    """A lock that another process holds is no failed machine, nor is what a cleanup finds wrong."""
    with pytest.raises(ServerError) as busy:
        require_lock()
    with pytest.raises(ParamsError) as found:
        clean_up()
    for error in (busy.value, found.value):
        assert isinstance(error.__context__, BlockingIOError)
        assert machine_error(error) is None


def require_lock() -> None:
    try:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    except BlockingIOError:
        raise ServerError("process 7 already runs the servers. Stop it first.") from None


def clean_up() -> None:
    try:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    finally:
        refuse()


def refuse() -> NoReturn:
    raise ParamsError("params.yaml: train.lr: found 7.")


def test_a_failure_that_is_told_stays_as_it_is() -> None:
    error = MachineError("the machine failed: no disk")
    assert machine_error(error) is error
