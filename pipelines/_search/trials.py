"""The trials of a search in Optuna's SQLite file, which survive a kill of the process.

Trial k is drawn with the seed k, so what is proposed depends on the trials before it, not on when a search was killed.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from ocrnet.errors import ParamsError
from pipelines._search.results import COMPLETE, FAILED, PRUNED, Result
from pipelines._search.space import Axis, Range

STORE = "trials.db"
STARTUP_TRIALS = 5  # complete trials before the first one is pruned
WARMUP_SHARE = 0.25  # share of the steps of a training before it may be pruned
FEWEST_FOR_IMPORTANCE = 4  # complete trials
# Attributes of the study.
IDENTITY, SETTINGS, IMAGES, START = "identity", "settings", "images", "start"
# Attributes of a trial.
REASON, OUTSIDE = "reason", "outside"
STATES = {TrialState.COMPLETE: COMPLETE, TrialState.PRUNED: PRUNED, TrialState.FAIL: FAILED}


class Trials:
    """The trials of one search.

    Args:
        folder: Folder of the search.
        axes: Space of the search.
        steps: Steps of a training, for the pruner; None: no trial is pruned.
    """

    def __init__(self, folder: Path, axes: Sequence[Axis], *, steps: int | None) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        pruner = optuna.pruners.NopPruner() if steps is None else _median_pruner(steps)
        folder.mkdir(parents=True, exist_ok=True)
        self._axes = axes
        self._study = optuna.create_study(
            storage=f"sqlite:///{folder / STORE}", study_name="search", direction="maximize",
            load_if_exists=True, pruner=pruner,
        )  # fmt: skip

    @property
    def identity(self) -> str:
        """Random text that no other search has."""
        return self.first(IDENTITY, uuid.uuid4().hex)

    def first(self, name: str, text: str) -> str:
        """Keep a text under a name if there is none, and return the kept one."""
        if name not in self._study.user_attrs:
            self._study.set_user_attr(name, text)
        return str(self._study.user_attrs[name])

    def agree(self, name: str, settings: Mapping[str, Any], *, place: str) -> None:
        """Keep settings that all trials must share, or compare them with those that the first trial had.

        Args:
            name: Name under which they are kept.
            settings: Settings, each under a name.
            place: Name of the search, for messages.

        Raises:
            ParamsError: A setting differs.
        """
        new = json.loads(json.dumps(settings))
        old = self._study.user_attrs.get(name)
        if old is None:
            self._study.set_user_attr(name, new)
            return
        for key in sorted({*old, *new}):
            if old.get(key) != new.get(key):
                raise ParamsError(
                    f"search {place}: {key} is {new.get(key)!r}, and its trials have {old.get(key)!r}, so scores could "
                    "not be compared. Choose another name with --name, or take the old value."
                )

    def start_with(self, values: Mapping[str, Any]) -> None:
        """Let the first trial of a new search have these values, if they lie in the space."""
        drawn = {axis.key: axis.drawn_of(values[axis.key]) for axis in self._axes}
        lies_there = all(one is not None for one in drawn.values())
        if START not in self._study.user_attrs:
            self._study.set_user_attr(START, 0 if lies_there else -1)
        if lies_there and self.start == 0 and not self._study.trials:
            self._study.enqueue_trial(drawn)

    @property
    def start(self) -> int | None:
        """The number of the trial with the params that the search started from; None if there is none."""
        number = int(self._study.user_attrs.get(START, -1))
        return None if number < 0 else number

    def begin(self) -> tuple[Trial, dict[str, Any]]:
        """Return a trial to run with its values: one that a kill left running, or a new one."""
        left = [one for one in self._study.trials if one.state == TrialState.RUNNING]
        number = left[0].number if left else self._next_number()
        self._study.sampler = optuna.samplers.TPESampler(seed=number)
        # Optuna has no public way to a trial that runs already; its own constructor is that way.
        trial = Trial(self._study, left[0]._trial_id) if left else self._study.ask()
        return trial, {axis.key: axis.value_of(_draw(trial, axis)) for axis in self._axes}

    def end(
        self,
        trial: Trial,
        state: str,
        *,
        miou: float | None = None,
        reason: str = "",
        outside: bool = False,
    ) -> None:
        """Keep how a trial ended.

        Args:
            trial: Trial from `begin`.
            state: One of `complete`, `pruned` and `failed`.
            miou: Score of a complete trial, in [0, 1].
            reason: Reason of a failure.
            outside: Whether the machine or the images are to blame, so that the trial does not count.
        """
        if reason:
            trial.set_user_attr(REASON, reason)
        if outside:
            trial.set_user_attr(OUTSIDE, True)
        kept = next(one for one, name in STATES.items() if name == state)
        self._study.tell(trial, values=miou, state=kept)

    def reported(self, number: int) -> set[int]:
        """Return the steps whose validations a trial has, from a process that was killed."""
        return set(self._study.trials[number].intermediate_values)

    def results(self) -> list[Result]:
        """Return the trials that ended and count, by number."""
        return [self._result(one) for one in self._study.trials if _counts(one)]

    def importance(self) -> dict[str, float]:
        """Return the share of each key in the variance of the score (fANOVA), the highest first.

        It is empty where complete trials are too few, or all have one score or one set of values.
        """
        scores = [one.value for one in self._study.trials if one.state == TrialState.COMPLETE]
        if len(scores) < FEWEST_FOR_IMPORTANCE or len(set(scores)) == 1:
            return {}
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        try:
            found = optuna.importance.get_param_importances(self._study, evaluator=evaluator)
        except RuntimeError:  # no key explains any of the variance
            return {}
        return {key: float(share) for key, share in found.items()}

    def _next_number(self) -> int:
        trials = self._study.trials
        waiting = [one.number for one in trials if one.state == TrialState.WAITING]
        return waiting[0] if waiting else len(trials)

    def _result(self, trial: FrozenTrial) -> Result:
        times = (trial.datetime_start, trial.datetime_complete)
        begin, end = (int(1000 * one.timestamp()) if one else 0 for one in times)
        return Result(
            number=trial.number,
            state=STATES[trial.state],
            values={axis.key: axis.value_of(trial.params[axis.key]) for axis in self._axes},
            miou=trial.value if trial.state == TrialState.COMPLETE else None,
            points=tuple(sorted(trial.intermediate_values.items())),
            reason=trial.user_attrs.get(REASON, ""),
            times_ms=(begin, end),
        )


def _counts(trial: FrozenTrial) -> bool:
    return trial.state in STATES and not trial.user_attrs.get(OUTSIDE)


def _median_pruner(steps: int) -> optuna.pruners.BasePruner:
    """Return the pruner: it ends a trial whose best validation is below the median of the others at the same step."""
    return optuna.pruners.MedianPruner(
        n_startup_trials=STARTUP_TRIALS, n_warmup_steps=round(WARMUP_SHARE * steps)
    )


def _draw(trial: Trial, axis: Axis) -> Any:
    """Return the number or the text that a trial has for an axis."""
    if not isinstance(axis, Range):
        return trial.suggest_categorical(axis.key, tuple(axis.values))
    if axis.whole:
        return trial.suggest_int(axis.key, int(axis.low), int(axis.high))
    return trial.suggest_float(axis.key, axis.low, axis.high, log=axis.log)
