"""Two people, or one twice, run the pipeline in one checkout: the second waits for the first."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from .flows.toy import make_toy

pytestmark = pytest.mark.tools
GRAPH = """
stages:
  nap:
    cmd: python job.py data/nap 12 0.5
    deps: [job.py]
    outs: [data/nap]
"""


def test_the_second_waits_for_a_stage_that_runs_and_says_for_whom(tmp_path: Path) -> None:
    toy = make_toy(tmp_path, GRAPH)
    command = [sys.executable, "-m", "dvc", "repro"]
    with subprocess.Popen(
        command, cwd=toy.checkout, env=toy.environment, stdout=subprocess.DEVNULL
    ) as running:
        while not (toy.checkout / ".state/checkpoints/nap/x/step").exists():
            assert running.poll() is None
            time.sleep(0.1)
        done = toy.attempt(sys.executable, "-m", "pipelines.repro")
        assert running.wait() == 0
    assert done.returncode == 0, done.stderr
    assert f"process {running.pid} " in done.stdout
    assert "didn't change, skipping" in done.stdout, "it did not run the stage again"
