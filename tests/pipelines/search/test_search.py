"""`ocrnet search` in a checkout: killed, continued, pruned; and what it writes."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped, unused-ignore]
import pytest

from pipelines._edit_params import write_values
from pipelines._search.results import COMPLETE
from pipelines._search.space import parse_axis
from pipelines._search.trials import Trials
from tests.benchmarks.checkout import Checkout, make_checkout, started
from tests.limits import HANG_S
from tests.pipelines.store import Store

pytestmark = [pytest.mark.tools, pytest.mark.slow]

STEPS = 6
RANGE = "1e-4..1e-2"
FOLDER = Path(".state/search/mine")


def command(trials: int, *further: str) -> tuple[str, ...]:
    return (
        "-m", "pipelines.cli", "search", "-n", str(trials), "--name", "mine", f"train.lr={RANGE}", *further,
    )  # fmt: skip


def proposed(told: str) -> list[str]:
    """Return the lines that say what a trial trains with."""
    return [
        line for line in told.splitlines() if line.startswith("search: trial") and " of " in line
    ]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout in which a search was killed after the first checkpoint of its first training."""
    checkout = make_checkout(tmp_path_factory.mktemp("search") / "repository")
    changed: dict[str, Any] = {"train.steps": STEPS, "train.ema_decay": 0.0, "train.lr": 0.005}
    write_values(checkout.folder / "params.yaml", changed, place="test")
    process = checkout.start(*command(2))
    deadline = time.monotonic() + HANG_S
    while not list((checkout.folder / FOLDER).glob("work/.state/checkpoints/train@0/*/*.pt")):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "no checkpoint was written"
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    told = process.communicate()[0]
    assert proposed(told) == ["search: trial 0 (1 of 2): train.lr 0.005"]
    wait_for_no_process(checkout)
    return checkout


@pytest.fixture(scope="module")
def finished(checkout: Checkout) -> tuple[Checkout, str]:
    """Return the checkout and what the command printed that continued the search."""
    return checkout, checkout.run(*command(2))


def wait_for_no_process(checkout: Checkout) -> None:
    """Wait until no process works in the work folder any more."""
    work = str((checkout.folder / FOLDER / "work").resolve())
    deadline = time.monotonic() + 20
    while any(one.info["cwd"] == work for one in psutil.process_iter(["cwd"])):
        assert time.monotonic() < deadline, "a process survived its search"
        time.sleep(0.1)


def log_of(checkout: Checkout, number: int) -> str:
    return (checkout.folder / FOLDER / "logs" / f"{number}.log").read_text()


def test_a_killed_search_goes_on_with_the_same_trial(finished: tuple[Checkout, str]) -> None:
    checkout, told = finished
    first, second = proposed(told)
    assert first == "search: trial 0 (1 of 2): train.lr 0.005"
    assert second.startswith("search: trial 1 (2 of 2): train.lr ")
    assert "resuming at step" in log_of(checkout, 0)
    assert "Best of 2 trials (0 pruned, 0 failed): " in told
    # Later trials share what the first one made.
    assert started(log_of(checkout, 0)) == ["validate", "prepare", "train@0", "train@0"]
    assert started(log_of(checkout, 1)) == ["train@0"]


def test_the_best_values_are_a_set_that_can_be_activated(finished: tuple[Checkout, str]) -> None:
    checkout, told = finished
    runs = Store(checkout.folder / "mlflow.db").runs()
    scores = {
        run.params["train.lr"]: run.series("search/val_mIoU")[0][1]
        for run in runs
        if "mlflow.parentRunId" in run.tags
    }
    assert len(scores) == 2
    best = max(scores, key=lambda rate: scores[rate])
    assert f"train.lr: {best}\n" in (checkout.folder / "params/mine.yaml").read_text()
    assert f"validation mIoU {scores[best]:.4f}: train.lr {best}" in told
    kept = (checkout.folder / "params.yaml").read_text()
    checkout.run("-m", "pipelines.activate", "mine")
    checkout.run("-m", "pipelines.check")
    assert f"  lr: {best}\n" in (checkout.folder / "params.yaml").read_text()
    (checkout.folder / "params.yaml").write_text(kept)


def test_only_the_validation_split_is_scored(finished: tuple[Checkout, str]) -> None:
    """The score is that of the training's own best validation, and no stage that scores test images ran."""
    checkout, _ = finished
    data = checkout.folder / FOLDER / "work" / "data"
    last = json.loads((data / "train/0/metrics.json").read_text())["val/mIoU"]
    lines = (data / "train/0/metrics.jsonl").read_text().splitlines()
    assert last == max(json.loads(line).get("val/mIoU", 0) for line in lines)
    store = Store(checkout.folder / "mlflow.db")
    (child,) = (run for run in store.runs() if run.tags.get("ocrnet.trial") == "1")
    ((_, sent),) = child.series("search/val_mIoU")
    assert sent == pytest.approx(last)
    assert not (data / "evaluate").exists()
    for run in store.runs():
        assert {name for name, *_ in run.points} <= {"val/mIoU", "search/val_mIoU"}
    assert "test" not in (data / "train/0/metrics.jsonl").read_text()


def test_a_search_that_has_its_trials_trains_nothing(finished: tuple[Checkout, str]) -> None:
    checkout, told = finished
    again = checkout.run(*command(2))
    assert proposed(again) == []
    assert again.splitlines()[-4:] == told.splitlines()[-4:]
    assert len(Store(checkout.folder / "mlflow.db").runs()) == 3


def test_other_params_are_not_mixed_with_its_trials(finished: tuple[Checkout, str]) -> None:
    checkout, _ = finished
    kept = (checkout.folder / "params.yaml").read_text()
    write_values(checkout.folder / "params.yaml", {"train.aux_weight": 0.5}, place="test")
    told = checkout.run(*command(3), code=2)
    (checkout.folder / "params.yaml").write_text(kept)
    assert told.splitlines()[-1].startswith(
        "ocrnet: search mine: train.aux_weight is 0.5, and its trials have 0.4"
    )
    told = checkout.run(*command(3, "train.weight_decay=0.001..0.1"), code=2)
    assert "the range of train.weight_decay is '0.001..0.1', and its trials have None" in told


def test_a_training_far_below_the_others_is_ended(finished: tuple[Checkout, str]) -> None:
    checkout, _ = finished
    trials = Trials(checkout.folder / FOLDER, [parse_axis("train.lr", RANGE, 0.005)], steps=STEPS)
    for _ in range(3):  # as good as no training of a few steps is
        trial, _ = trials.begin()
        for step in (2, 4, 6):
            trial.report(0.99, step)
        trials.end(trial, COMPLETE, miou=0.99)
    told = checkout.run(*command(6))
    wait_for_no_process(checkout)
    assert "search: trial 5: pruned" in told
    assert f"step {STEPS}/{STEPS}" not in log_of(checkout, 5)
    assert "(1 pruned, 0 failed)" in told
    (run,) = (
        run
        for run in Store(checkout.folder / "mlflow.db").runs()
        if run.tags.get("ocrnet.trial") == "5"
    )
    assert run.status == "KILLED"
    assert run.series("search/val_mIoU") == []
