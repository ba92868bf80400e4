"""Run DVC in a clone as a process, log its lines while it runs, and end it when the flow ends."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ocrnet.errors import DataError, OcrnetError, ParamsError
from pipelines._command.secrets import hide_secrets
from pipelines._repository.clones import Clone

GRACE_S = (
    12.0  # from SIGTERM to SIGKILL: a cancelled run releases the GPU well within half a minute
)
KEPT_LINES = 12
_STEP = re.compile(r"\bstep\s+(\d+)\s*/\s*(\d+)")


class MachineError(OcrnetError):
    """The machine failed a stage: another machine, or a later attempt, may succeed."""

    exit_code = 70


def advance(clone: Clone, targets: Sequence[str], done: Sequence[str]) -> list[dict[str, Any]]:
    """Restore the stages of a clone that are in the run cache, and return the state of each stage that is not done.

    Raises:
        OcrnetError: `dvc.yaml`, a target or raw data is wrong, or the cache failed.
    """
    asked = json.dumps({"targets": list(targets), "done": list(done)})
    pipe = subprocess.PIPE
    with _started(clone, "pipelines._dvc.restore_stages", stdin=pipe, stderr=pipe) as process:
        answer, errors = process.communicate(asked)
    lines = [json.loads(line) for line in answer.splitlines()]
    for line in lines:
        if line["state"] == "error":
            raise _error(line["code"], line["message"])
    if process.returncode:
        raise MachineError(
            f"pipelines._dvc.restore_stages: exit code {process.returncode}: {hide_secrets(errors)[-500:]}"
        )
    return lines


def run_stage(
    clone: Clone,
    stage: str,
    *,
    log: Callable[[str], None],
    progress: Callable[[int, int], None] = lambda step, steps: None,
    environment: Mapping[str, str] | None = None,
) -> tuple[int, list[str]]:
    """Run a stage in a clone and return its exit code with its last lines."""

    def log_line(line: str) -> None:
        log(line)
        found = _STEP.search(line)
        if found:
            progress(int(found[1]), int(found[2]))

    return run_module(
        clone, "pipelines._dvc.run_one_stage", stage, log=log_line, environment=environment
    )


def run_module(
    clone: Clone,
    module: str,
    *arguments: str,
    log: Callable[[str], None],
    environment: Mapping[str, str] | None = None,
) -> tuple[int, list[str]]:
    """Run a module in a clone and return its exit code with its last lines."""
    kept: deque[str] = deque(maxlen=KEPT_LINES)
    both = subprocess.STDOUT
    with _started(clone, module, *arguments, stderr=both, environment=environment) as process:
        for line in _lines(process.stdout):
            log(line)
            kept.append(line)
        code = process.wait()
    return (code if code >= 0 else 128 - code), list(kept)


def check_params(clone: Clone) -> None:
    """Refuse wrong params by the commit's own check, whose messages are clearer than those of DVC.

    Raises:
        OcrnetError: The params are wrong; the message is that of the check.
    """
    if not (clone.folder / "pipelines" / "check.py").exists():
        return  # the commit is older than the check
    code, lines = run_module(clone, "pipelines.check", log=lambda line: None)
    if code:
        raise _error(code, "\n".join(line.removeprefix("check: ") for line in lines))


def prune(clone: Clone) -> None:
    """Delete old entries of the run cache; ignore a failure, since it harms no run."""
    with _started(
        clone, "pipelines._dvc.run_one_stage", "--prune", stderr=subprocess.STDOUT
    ) as process:
        process.communicate()


def _lines(stream: IO[str] | None) -> Iterator[str]:
    for line in stream or ():
        text = hide_secrets(line.rstrip())
        if text:
            yield text


@contextmanager
def _started(
    clone: Clone,
    module: str,
    *arguments: str,
    stderr: int,
    stdin: int = subprocess.DEVNULL,
    environment: Mapping[str, str] | None = None,
) -> "Iterator[subprocess.Popen[str]]":
    """Start a module in a clone, in its own process group, and end the group with the block.

    The process holds the lock of the clone as long as it runs, even if the flow was killed.
    """
    code = str(Path(__file__).parents[2])
    paths = [code, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONUNBUFFERED": "1",
        **(environment or {}),
    }
    # Modules of `pipelines._dvc` come from this checkout, all others from the commit in the folder: `-P` keeps Python
    # from finding the commit's package first.
    own = ["-P"] if module.startswith("pipelines._dvc.") else []
    process = subprocess.Popen(
        [sys.executable, *own, "-m", module, *arguments], cwd=clone.folder, env=environ, text=True, errors="replace",
        stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, start_new_session=True,
        pass_fds=[clone.lock.fileno()],
    )  # fmt: skip
    try:
        yield process
    finally:
        _end_group(process)
        for stream in filter(None, (process.stdin, process.stdout, process.stderr)):
            stream.close()


def _end_group(process: "subprocess.Popen[str]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        ends = time.monotonic() + GRACE_S
        while time.monotonic() < ends:
            process.poll()  # the group of a process that ended exists until this process waits for it
            os.killpg(process.pid, 0)
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _error(code: int, message: str) -> OcrnetError:
    kinds: dict[int, type[OcrnetError]] = {2: ParamsError, 3: DataError, 70: MachineError}
    return kinds.get(code, OcrnetError)(hide_secrets(message))
