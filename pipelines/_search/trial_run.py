"""One trial: DVC runs the stages up to `train` in the work folder of the search, and validations decide when to end."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil  # type: ignore[import-untyped, unused-ignore]

from ocrnet.config import Params
from pipelines._search.watch import Watch, read_score
from pipelines._search.words import tell
from pipelines._work_folders.work_folder import bring_up, put_params, start_stages

POLL_S = 0.5
GRACE_S = 15.0  # from SIGTERM to SIGKILL
DVC_LINE = "study: failed to reproduce"  # says only which stage it was


@dataclass(frozen=True)
class WorkFolder:
    """The folder in which all trials of a search run, one after the other.

    Args:
        folder: Folder of the search.
        commit: Commit whose code runs.
        raw: Folder of the raw set on this machine.
        lock: Open file whose lock this process holds for the search.
    """

    folder: Path
    commit: str
    raw: Path
    lock: IO[bytes]

    @property
    def clone(self) -> Path:
        """The clone in which DVC runs."""
        return self.folder / "work"

    def out_of(self, seed: int) -> Path:
        """Return the output folder of a training."""
        return self.clone / "data" / "train" / str(seed)

    def log_of(self, number: int) -> Path:
        """Return the file with what the stages of a trial print."""
        return self.folder / "logs" / f"{number}.log"


def run_trial(work: WorkFolder, params: Params, watch: Watch, *, number: int) -> int | None:
    """Run the trainings of a trial, and return the exit code of the stages; None if the trial was pruned.

    Args:
        work: Folder of the search.
        params: Params of the trial, whose `data.path` is within the work folder.
        watch: Watch of the trial's first training.
        number: Number of the trial.
    """
    bring_up(work.clone, work.commit, work.lock)
    put_params(work.clone, params, work.raw)
    # The files of the trial before must not count as those of this one; DVC restores what it needs.
    shutil.rmtree(work.clone / "data" / "train", ignore_errors=True)
    targets = [f"train@{seed}" for seed in params.seeds]
    work.log_of(number).parent.mkdir(parents=True, exist_ok=True)
    with work.log_of(number).open("ab") as log:
        process = start_stages(
            work.clone, targets, locks=work.folder / "locks", lock=work.lock, log=log
        )
        try:
            return _follow(process, watch, number)
        finally:
            end_all(process)


def mean_score(work: WorkFolder, seeds: Sequence[int]) -> float:
    """Return the mean over the seeds of the best validation mIoU, in [0, 1]."""
    return sum(read_score(work.out_of(seed)) for seed in seeds) / len(seeds)


def last_words(log: Path) -> str:
    """Return the last line that a stage wrote into a log."""
    lines = log.read_text(errors="replace").splitlines()
    told = [line.strip() for line in lines if line.strip() and not line.startswith(DVC_LINE)]
    return told[-1] if told else "it printed nothing"


def end_all(process: "subprocess.Popen[bytes]") -> None:
    """End a process of `start_stages` with all that it started; do nothing if it has ended."""
    if process.poll() is not None:
        return
    started = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _, alive = psutil.wait_procs(started, timeout=GRACE_S)
    for one in alive:
        one.kill()


def _follow(process: "subprocess.Popen[bytes]", watch: Watch, number: int) -> int | None:
    """Report validations until the process ends, and return its exit code; None if the pruner ends the trial."""
    while True:
        code = _wait(process)
        new = watch.take()
        for step, value in new:
            tell(f"trial {number}: step {step}: val/mIoU {value:.4f}")
        if code is not None:
            return code
        if new and watch.should_end():
            return None


def _wait(process: "subprocess.Popen[bytes]") -> int | None:
    try:
        return process.wait(POLL_S)
    except subprocess.TimeoutExpired:
        return None
