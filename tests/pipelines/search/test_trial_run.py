"""The run of a trial: its score, and its end."""

import subprocess
import sys
from pathlib import Path

import psutil  # type: ignore[import-untyped, unused-ignore]
import pytest

from ocrnet.record import Recorder
from pipelines._search.trial_run import WorkFolder, end_all, last_words, mean_score
from tests.limits import HANG_S

# Starts a process that ignores SIGTERM, as a training in a library's handler may.
PARENT = """
import subprocess, sys, time
child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", child])
time.sleep(600)
"""


def test_the_score_is_the_mean_over_the_seeds(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("ab") as lock:
        work = WorkFolder(tmp_path, "0" * 40, tmp_path, lock)
        for seed, miou in ((0, 0.4), (7, 0.5)):
            Recorder(work.out_of(seed)).finish({"val/mIoU": miou})
        assert mean_score(work, (0, 7)) == pytest.approx(0.45)


def test_a_trial_that_is_ended_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines._search.trial_run.GRACE_S", 0.5)
    process = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()  # the child is there
    (child,) = psutil.Process(process.pid).children()
    end_all(process)
    assert process.poll() is not None
    child.wait(HANG_S)
    end_all(process)
    process.stdout.close()


def test_a_failure_is_told_in_the_words_of_the_stage(tmp_path: Path) -> None:
    lines = "12:00 step 4\ntrain: the loss is not finite\n\nstudy: failed to reproduce 'train@0'\n"
    (tmp_path / "log").write_text(lines)
    assert last_words(tmp_path / "log") == "train: the loss is not finite"
    (tmp_path / "log").write_text("")
    assert last_words(tmp_path / "log") == "it printed nothing"
