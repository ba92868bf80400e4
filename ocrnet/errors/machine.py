"""Failures of the machine, distinguished from faults of the code and the data, for all libraries.

Memory, a GPU, a disk or a limit of the system failed: another machine, or this one later, may succeed. Libraries report
this in different ways: torch's writer by "unexpected pos", safetensors by "os error 28", SQLite by "database or disk is
full", a worker of a loader by its signal.
"""

import errno
import os
import re
from collections.abc import Iterator

from ocrnet.errors import MachineError

# Errors of a file system or the kernel, not of the requested file.
FAILED = frozenset(
    {
        errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.ESTALE, errno.ENODEV, errno.ENXIO,
        errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENOTCONN,
    }
)  # fmt: skip
REFUSED = frozenset({errno.EACCES, errno.EPERM})
KINDS = frozenset(
    {"OutOfMemoryError", "AcceleratorError", "MemoryError", "DistBackendError", "BrokenProcessPool"}
)
WORDS = re.compile(
    "|".join(
        [
            *(re.escape(os.strerror(number)) for number in sorted(FAILED - {errno.ENXIO})),
            r"unexpected pos \d+ vs \d+", "PytorchStreamWriter failed", "iostream error",
            r"\d+ requested and \d+ written", r"encoder error -\d+ when writing",
            "database or disk is full", "disk I/O error", "readonly database", "unable to open database file",
            "out of memory", "insufficient memory", "can't allocate memory", "not enough memory", "bad_alloc",
            "STATUS_ALLOC_FAILED", "cuDNN error", "NCCL error", "CUDA error",
            r"DataLoader worker .*(killed by signal: (Bus error|Killed)|exited unexpectedly)", "shared memory",
            "can't start new thread", r"received \d+ items of ancdata",
        ]
    ),
    re.IGNORECASE,
)  # fmt: skip
_RUST = re.compile(r"\(os error (\d+)\)")
# A kernel found an invalid value, such as a label beyond the classes.
_BUG = re.compile("device-side assert", re.IGNORECASE)
_LIBRARIES = frozenset(
    {"safetensors", "sqlite3", "sqlalchemy", "cv2", "pyarrow", "mlflow", "torch"}
)
_SPEAKS_FOR_ITSELF = (RuntimeError, OSError, SystemError)


def is_of_machine(error: BaseException) -> bool:
    """Return whether another machine, or this one later, may succeed.

    An error of ours tells by `raise ... from error` what it was raised for, and that cause decides: a file without read
    permission is the user's problem, a disk that cannot be read is the machine's. Raised `from None`, or only while
    another error was handled, it stands for itself.
    """
    first, *behind = _chain(error)
    if _BUG.search(str(first)):
        return False
    if _is_told(first):
        return any(_failed(cause) for cause in behind)
    return any(_failed(item) or _refused(item) or _says_so(item) for item in (first, *behind))


def machine_error(error: BaseException) -> MachineError | None:
    """Return the error to report for a failure of the machine; None for any other failure."""
    if isinstance(error, MachineError):
        return error
    return MachineError(f"the machine failed: {words_of(error)}") if is_of_machine(error) else None


def words_of(error: BaseException) -> str:
    """Return the message of a failure of the machine in one line: the system error, if there is one."""
    reported = [item for item in _chain(error) if isinstance(item, OSError) and item.strerror]
    return " ".join(str(reported[0] if reported else error).split())[:500] or type(error).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    item: BaseException | None = error
    while item is not None and id(item) not in seen:
        seen.add(id(item))
        yield item
        item = item.__cause__ or (None if _is_told(item) else item.__context__)


def _is_told(error: BaseException) -> bool:
    return any(kind.__name__ == "OcrnetError" for kind in type(error).__mro__)


def _failed(error: BaseException) -> bool:
    if any(kind.__name__ in KINDS for kind in type(error).__mro__):
        return True
    return isinstance(error, OSError) and error.errno in FAILED


def _refused(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in REFUSED


def _says_so(error: BaseException) -> bool:
    module = type(error).__module__.partition(".")[0]
    if not isinstance(error, _SPEAKS_FOR_ITSELF) and module not in _LIBRARIES:
        return False
    text = str(error)
    code = _RUST.search(text)
    if code is not None:
        return int(code[1]) in FAILED | REFUSED
    return WORDS.search(text) is not None
