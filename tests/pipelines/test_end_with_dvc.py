"""A stage whose DVC was killed ends too; what a user started by hand goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

# A parent as DVC is, which starts a stage by a shell and waits.
PARENT = """
import subprocess, sys, time
subprocess.Popen(sys.argv[1], shell=True)
time.sleep(60)
"""
STAGE = """
import logging, os, sys, time
from pathlib import Path
from pipelines._stage.end_with_dvc import end_with_dvc
logging.basicConfig()
end_with_dvc()
print(os.getpid(), flush=True)
time.sleep(60)
"""


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("shell", ["", "exec "])  # a shell that stays, and one that makes way
@pytest.mark.parametrize("by_dvc", [True, False])
def test_a_stage_ends_with_the_dvc_that_started_it(
    by_dvc: bool, shell: str, tmp_path: Path
) -> None:
    code = tmp_path / "stage.py"
    code.write_text(STAGE)
    env = {name: value for name, value in os.environ.items() if name != "DVC_STAGE"}
    env |= {"PYTHONPATH": str(Path.cwd())} | ({"DVC_STAGE": "train@0"} if by_dvc else {})
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, f"{shell}{sys.executable} {code}"],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert parent.stdout is not None
    stage = int(parent.stdout.readline())
    parent.kill()
    deadline = time.monotonic() + (20 if by_dvc else 3)
    while is_alive(stage) and time.monotonic() < deadline:
        time.sleep(0.1)
    ended = not is_alive(stage)
    if not ended:
        os.kill(stage, signal.SIGKILL)
    assert ended is by_dvc
    _, told = parent.communicate()
    assert ("is gone: stopping" in told) is by_dvc
