"""The trials of a search: what is proposed, what a kill leaves, what is pruned."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ocrnet.errors import ParamsError
from ocrnet.record import Recorder
from pipelines._search.results import COMPLETE, FAILED, PRUNED
from pipelines._search.space import Axis, parse_axis
from pipelines._search.trials import Trials
from pipelines._search.watch import Watch, read_validations

AXES: tuple[Axis, ...] = (
    parse_axis("train.lr", "1e-4..1e-2", 0.003),
    parse_axis("train.loss", "ce|ohem", "ce"),
)
STEPS = 40


def open_trials(folder: Path, *, steps: int | None = STEPS) -> Trials:
    return Trials(folder, AXES, steps=steps)


def run_trials(trials: Trials, scores: Sequence[float]) -> list[dict[str, Any]]:
    """Run trials that score as given, and return their values."""
    proposed = []
    for miou in scores:
        trial, values = trials.begin()
        trials.end(trial, COMPLETE, miou=miou)
        proposed.append(values)
    return proposed


def write_validations(out: Path, mious: Sequence[float], *, steps: int = 10) -> None:
    """Write what a training writes that validates at equal intervals."""
    recorder = Recorder(out)
    for place, miou in enumerate(mious):
        recorder.log(steps * (place + 1) - 1, {"train/loss": 1.0})
        recorder.log(steps * (place + 1), {"val/mIoU": miou, "val/IoU/crack": 0.0})


def add_curve(trials: Trials, mious: Sequence[float]) -> None:
    """Add a complete trial with validations every ten steps."""
    trial, _ = trials.begin()
    for place, miou in enumerate(mious):
        trial.report(miou, 10 * (place + 1))
    trials.end(trial, COMPLETE, miou=max(mious))


def watched(trials: Trials, out: Path, *, last_step: int | None = STEPS) -> Watch:
    trial, _ = trials.begin()
    return Watch(trial, out, known=trials.reported(trial.number), last_step=last_step)


def test_a_trial_that_a_kill_left_runs_again_and_counts_once(tmp_path: Path) -> None:
    trials = open_trials(tmp_path)
    run_trials(trials, [0.3])
    left, values = trials.begin()
    left.report(0.2, 10)
    again = open_trials(tmp_path)  # as another process does
    assert [one.number for one in again.results()] == [0]
    trial, same = again.begin()
    assert (trial.number, same) == (left.number, values)
    assert again.reported(trial.number) == {10}
    again.end(trial, COMPLETE, miou=0.4)
    assert [(one.number, one.miou) for one in again.results()] == [(0, 0.3), (1, 0.4)]
    assert again.begin()[0].number == 2


def test_what_is_proposed_does_not_depend_on_kills(tmp_path: Path) -> None:
    scores = [0.3, 0.1, 0.5, 0.2] * 3  # more than Optuna draws at random
    whole = run_trials(open_trials(tmp_path / "whole"), scores)
    parts = []
    for score in scores:
        open_trials(tmp_path / "parts").begin()  # killed
        parts += run_trials(open_trials(tmp_path / "parts"), [score])
    assert parts == whole
    assert len({values["train.lr"] for values in whole}) == len(scores)


def test_the_first_trial_has_the_params_that_the_search_starts_from(tmp_path: Path) -> None:
    for _ in range(2):
        trials = open_trials(tmp_path / "inside")
        trials.start_with({"train.lr": 0.003, "train.loss": "ohem"})
    assert trials.start == 0
    assert run_trials(trials, [0.1, 0.2])[0] == {"train.lr": 0.003, "train.loss": "ohem"}
    trials = open_trials(tmp_path / "outside")
    trials.start_with({"train.lr": 0.1, "train.loss": "ohem"})
    assert trials.start is None
    assert run_trials(trials, [0.1])[0]["train.lr"] <= 0.01


def test_other_settings_are_another_search(tmp_path: Path) -> None:
    open_trials(tmp_path).agree("settings", {"train.steps": 40, "seeds": (0, 1)}, place="mine")
    again = open_trials(tmp_path)
    again.agree("settings", {"train.steps": 40, "seeds": (0, 1)}, place="mine")
    with pytest.raises(
        ParamsError, match=r"search mine: train\.steps is 50, and its trials have 40"
    ):
        again.agree("settings", {"train.steps": 50, "seeds": (0, 1)}, place="mine")


def test_a_failed_trial_counts_unless_the_machine_is_to_blame(tmp_path: Path) -> None:
    trials = open_trials(tmp_path)
    for outside in (False, True):
        trial, _ = trials.begin()
        trials.end(trial, FAILED, reason="the loss is not finite", outside=outside)
    (result,) = trials.results()
    assert (result.number, result.state, result.reason) == (0, FAILED, "the loss is not finite")
    assert trials.begin()[0].number == 2


def test_the_key_that_decides_the_score_is_the_important_one(tmp_path: Path) -> None:
    trials = open_trials(tmp_path)
    assert trials.importance() == {}
    for _ in range(24):
        trial, values = trials.begin()
        trials.end(trial, COMPLETE, miou=0.2 if values["train.loss"] == "ce" else 0.6)
    importance = trials.importance()
    assert next(iter(importance)) == "train.loss"
    assert importance["train.loss"] > 0.9
    assert sum(importance.values()) == pytest.approx(1.0)


@pytest.fixture
def five(tmp_path: Path) -> Trials:
    """Return a search with five trials whose median is 0.3 at step 10, 0.4 at step 20 and 0.5 at step 30."""
    trials = open_trials(tmp_path / "search")
    for shift in (-0.1, -0.05, 0.0, 0.05, 0.1):
        add_curve(trials, [0.3 + shift, 0.4 + shift, 0.5 + shift])
    return trials


def test_a_training_below_the_median_is_ended(five: Trials, tmp_path: Path) -> None:
    watch = watched(five, tmp_path / "out")
    write_validations(tmp_path / "out", [0.31])
    assert watch.take() == [(10, 0.31)]
    assert not watch.should_end()
    write_validations(tmp_path / "out", [0.31, 0.39])
    assert watch.take() == [(20, 0.39)]  # the first one is known
    assert watch.should_end()


def test_a_training_above_the_median_is_not(five: Trials, tmp_path: Path) -> None:
    watch = watched(five, tmp_path / "out")
    write_validations(tmp_path / "out", [0.31, 0.41, 0.51])
    watch.take()
    assert not watch.should_end()


def test_no_training_is_ended_in_its_first_quarter(five: Trials, tmp_path: Path) -> None:
    watch = watched(five, tmp_path / "out")
    write_validations(tmp_path / "out", [0.01], steps=9)
    watch.take()
    assert not watch.should_end()


def test_a_training_at_its_end_is_not_ended_unless_another_seed_follows(
    five: Trials, tmp_path: Path
) -> None:
    write_validations(tmp_path / "out", [0.01] * 3)
    alone = watched(five, tmp_path / "out", last_step=30)
    alone.take()
    assert not alone.should_end()
    followed = watched(five, tmp_path / "out", last_step=None)
    assert followed.take() == []  # the trial was left running, and its validations are known
    assert followed.should_end()


def test_a_finished_training_that_is_restored_is_not_ended(five: Trials, tmp_path: Path) -> None:
    write_validations(tmp_path / "out", [0.01, 0.01])
    Recorder(tmp_path / "other").finish({"val/mIoU": 0.01})
    (tmp_path / "other" / "metrics.json").rename(tmp_path / "out" / "metrics.json")
    watch = watched(five, tmp_path / "out")
    watch.take()
    assert not watch.should_end()


def test_four_trials_are_too_few_to_end_another(tmp_path: Path) -> None:
    trials = open_trials(tmp_path / "search")
    for _ in range(4):
        add_curve(trials, [0.9, 0.9])
    write_validations(tmp_path / "out", [0.01, 0.01])
    watch = watched(trials, tmp_path / "out")
    watch.take()
    assert not watch.should_end()


def test_without_a_number_of_steps_nothing_is_pruned(five: Trials, tmp_path: Path) -> None:
    trials = open_trials(tmp_path / "search", steps=None)
    write_validations(tmp_path / "out", [0.01, 0.01])
    watch = watched(trials, tmp_path / "out")
    watch.take()
    assert not watch.should_end()


def test_a_line_that_is_half_written_waits(tmp_path: Path) -> None:
    assert read_validations(tmp_path / "none") == []
    write_validations(tmp_path, [0.3])
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 20, "val/mIoU": 0.')
    assert read_validations(tmp_path) == [(10, 0.3)]


def test_a_pruned_trial_keeps_its_validations_and_has_no_score(tmp_path: Path) -> None:
    trials = open_trials(tmp_path)
    trial, _ = trials.begin()
    trial.report(0.25, 10)
    trials.end(trial, PRUNED)
    (result,) = trials.results()
    assert (result.state, result.miou, result.points) == (PRUNED, None, ((10, 0.25),))
