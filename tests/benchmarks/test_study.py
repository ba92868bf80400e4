"""Studies through DVC: nothing is trained twice, by whatever process, study or variant; a killed one resumes."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.limits import HANG_S

from .checkout import Checkout, make_checkout, started

pytestmark = [pytest.mark.tools, pytest.mark.slow]

OUT = ".state/studies/low_data"
LOW_DATA = (
    "-m", "benchmarks.low_data", "--data", "data/raw/demo", "--dataset", "set.yaml", "--fractions", "1.0",
    "--seeds", "0", "--arms", "train",
)  # fmt: skip


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout in which a study was killed after the first checkpoint of its training."""
    checkout = make_checkout(tmp_path_factory.mktemp("study") / "repository")
    (checkout.folder / "set.yaml").write_text("train.aux_weight: 0.4\n")
    process = checkout.start(*LOW_DATA)
    deadline = time.monotonic() + HANG_S
    while not list((checkout.folder / OUT).glob("work/*/.state/checkpoints/train@0/*/*.pt")):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "no checkpoint was written"
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()  # ends when no process holds the pipe any more: none survives the study
    assert not list((checkout.folder / OUT).glob("work/*/data/score-*")), (
        "it was not killed while it trained"
    )
    return checkout


@pytest.fixture(scope="module")
def finished(checkout: Checkout) -> tuple[Checkout, list[str]]:
    """Return the checkout and what two processes printed that were started at once after the kill."""
    processes = [checkout.start(*LOW_DATA) for _ in range(2)]
    told = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    return checkout, told


def test_a_killed_study_resumes_and_of_two_processes_one_trains(
    finished: tuple[Checkout, list[str]],
) -> None:
    checkout, told = finished
    both = "".join(told)
    assert started(both) == ["train@0", "score-train-0"]
    assert "resuming at step" in both
    table = (checkout.folder / OUT / "table.md").read_text()
    assert all(text.endswith(table) for text in told)
    assert "## 100 %, 8 training images" in table


def test_a_finished_study_trains_nothing_and_other_variants_and_studies_share_its_models(
    finished: tuple[Checkout, list[str]],
) -> None:
    checkout, _ = finished
    told = checkout.run(*LOW_DATA, "--variants", "filter_0.3")
    assert started(told) == []
    rows = [line for line in told.splitlines() if line.startswith("| train |")]
    assert len(rows) == 2
    assert rows[0] == rows[1]
    heads = ("-m", "benchmarks.heads", "--archs", "ocrnet", "--seeds", "0", "--rounds", "1")
    told = checkout.run(*heads)
    assert started(told) == []
    (row,) = (line for line in told.splitlines() if line.startswith("| ocrnet |"))
    assert row.split(" | ")[4] == rows[0].split(" | ")[1]
    cost = json.loads((checkout.folder / ".state/studies/heads/cost.json").read_text())
    assert row.split(" | ")[1] == f"{cost['ocrnet']['parameters'] / 1e6:.2f}"


def test_code_that_is_not_committed_is_refused(finished: tuple[Checkout, list[str]]) -> None:
    checkout, _ = finished
    file = Path(checkout.folder, "ocrnet/metrics.py")
    kept = file.read_text()
    file.write_text(kept + "\n# changed\n")
    told = checkout.run(*LOW_DATA, code=2)
    file.write_text(kept)
    assert told.startswith("benchmarks.low_data: ")
    assert "ocrnet/metrics.py. Commit them." in told
