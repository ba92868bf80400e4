"""The work of `ocrnet search`: check, propose, train, keep, and write the best values as a set."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocrnet.config import Params
from ocrnet.errors import DataError, MachineError, ParamsError, TrainError
from ocrnet.record import flatten
from pipelines._command.lock import locked
from pipelines._mlflow.address import STATE, find_address
from pipelines._search.best_set import require_free, write_best_set
from pipelines._search.page import write_page
from pipelines._search.results import COMPLETE, FAILED, PRUNED, Summary
from pipelines._search.space import Axis, read_space
from pipelines._search.trial_run import WorkFolder, last_words, mean_score, run_trial
from pipelines._search.trials import IMAGES, SETTINGS, Trials
from pipelines._search.watch import Watch
from pipelines._search.words import tell, tell_result, values_in_words
from pipelines._stage.dependencies import read_node
from pipelines._work_folders.values import with_values
from pipelines._work_folders.work_folder import committed_head, place_data, tree_of
from pipelines.activate import SETS
from pipelines.check import check

if TYPE_CHECKING:
    from optuna.trial import Trial

PARAMS = Path("params.yaml")
PAGE, WRITTEN = "search.html", "written.sha256"
MANIFEST = Path("data/prepare/manifest.csv")
FAILURES = 3  # trials in a row that may fail before the search ends
MACHINE_CODES = (70, MachineError.exit_code)  # 70: DVC or its cache


@dataclass(frozen=True)
class SearchRequest:
    """What the user wants.

    Args:
        space: Ranges, such as `train.lr=1e-4..1e-2`.
        trials: Number of trials that the search has at its end, with those of earlier calls.
        name: Name of the search and of the set.
        force: Whether an existing set may be replaced.
        prune: Whether bad trials end early.
    """

    space: Sequence[str]
    trials: int
    name: str
    force: bool
    prune: bool


def search(request: SearchRequest) -> Path:
    """Run the trials that a search still lacks, write the best values as a set, and return its file.

    Raises:
        ParamsError: A range, a key or the name cannot be used, or the search has other settings than this call.
        DataError: The raw images cannot be used.
        TrainError: Several trials in a row failed, or no trial is complete.
        MachineError: The machine failed; the same command continues the search.
    """
    active = check(PARAMS)
    axes = read_space(request.space, active)
    folder, target = STATE / "search" / request.name, SETS / f"{request.name}.yaml"
    require_free(target, written=folder / WRITTEN, force=request.force)
    commit = committed_head()
    params, raw = place_data(active)
    busy = (
        f"search {request.name}: another process runs it. Wait, or choose another name with --name."
    )
    with locked(folder / "lock", busy=busy) as lock:
        work = WorkFolder(folder, commit, raw, lock)
        running = Search(request, axes, params, work)
        running.run()
        return running.finish(target)


@dataclass(frozen=True)
class Search:
    """One call of the command.

    Args:
        request: What the user wants.
        axes: Space of the search.
        params: Params that it starts from, for the work folder.
        work: Folder of the search.
    """

    request: SearchRequest
    axes: Sequence[Axis]
    params: Params
    work: WorkFolder
    _unsent: set[str] = field(default_factory=set, init=False)

    @cached_property
    def trials(self) -> Trials:
        """The trials of this and of earlier calls."""
        by_steps = self.request.prune and all(axis.key != "train.steps" for axis in self.axes)
        steps = self.params.train.steps if by_steps else None
        return Trials(self.work.folder, self.axes, steps=steps)

    def run(self) -> None:
        """Run trials until there are as many as were asked for."""
        place = self.request.name
        self.trials.agree(SETTINGS, _settings(self.params, self.axes), place=place)
        values = flatten(tree_of(self.params))
        self.trials.start_with({axis.key: values[axis.key] for axis in self.axes})
        before = self.trials.first("commit", self.work.commit)
        if before != self.work.commit:
            tell(
                f"the code is at {self.work.commit[:10]}, and the search began at {before[:10]}: scores may differ"
            )
        known = len(self.trials.results())
        if known:
            tell(f"{known} of {self.request.trials} trials are known; the search continues")
        failures = 0
        while len(self.trials.results()) < self.request.trials:
            code = self._run_next()
            failures = failures + 1 if code else 0
            self._report()
            if failures == FAILURES:
                kind = ParamsError if code == ParamsError.exit_code else TrainError
                raise kind(
                    f"search {place}: {FAILURES} trials in a row failed (see {self.work.folder / 'logs'}), the last "
                    f"one with: {self.trials.results()[-1].reason}"
                )

    def finish(self, target: Path) -> Path:
        """Write the set of the best values, send the rest to MLflow, tell the result, and return the set's file.

        Raises:
            TrainError: No trial is complete.
        """
        summary = self._summary()
        best = summary.best
        if best is None:
            raise TrainError(
                f"search {summary.name}: none of {len(summary.results)} trials is complete. Search other ranges under "
                "another --name."
            )
        write_best_set(target, summary, best, params=PARAMS, written=self.work.folder / WRITTEN)
        page = self.work.folder / PAGE
        write_page(page, summary, self.axes)
        self._send(summary, [page, target])
        tell_result(summary, best, target, page)
        return target

    def _run_next(self) -> int:
        """Run one trial and keep how it ended; return 0, or the exit code of a training that failed.

        Raises:
            DataError: The raw images cannot be used.
            MachineError: The machine failed.
        """
        trial, values = self.trials.begin()
        number, place = trial.number, len(self.trials.results()) + 1
        tell(f"trial {number} ({place} of {self.request.trials}): {values_in_words(values)}")
        try:
            params = with_values(self.params, values, place=f"trial {number}")
        except ParamsError as error:  # each value is valid, and not all of them together
            tell(f"trial {number}: failed: {error}")
            self.trials.end(trial, FAILED, reason=str(error))
            return 0
        watch = Watch(
            trial, self.work.out_of(params.seeds[0]), known=self.trials.reported(number),
            last_step=params.train.steps if len(params.seeds) == 1 else None,
        )  # fmt: skip
        code = run_trial(self.work, params, watch, number=number)
        if code:
            self._fail(trial, code)
            return code
        self.trials.agree(IMAGES, _images(self.work), place=self.request.name)
        if code is None:
            tell(f"trial {number}: pruned")
            self.trials.end(trial, PRUNED)
            return 0
        miou = mean_score(self.work, params.seeds)
        tell(f"trial {number}: val/mIoU {miou:.4f}")
        self.trials.end(trial, COMPLETE, miou=miou)
        return 0

    def _fail(self, trial: "Trial", code: int) -> None:
        """Keep that a trial failed.

        Raises:
            DataError: The raw images cannot be used; the trial does not count.
            MachineError: The machine failed; the trial does not count.
        """
        reason = last_words(self.work.log_of(trial.number))
        tell(f"trial {trial.number}: failed with exit code {code}: {reason}")
        outside = code in MACHINE_CODES or code > 128 or code == DataError.exit_code
        self.trials.end(trial, FAILED, reason=reason, outside=outside)
        if outside:
            kind = DataError if code == DataError.exit_code else MachineError
            raise kind(
                f"search {self.request.name}: trial {trial.number} ended with exit code {code} and does not count (see "
                f"{self.work.log_of(trial.number)}; the same command continues the search): {reason}"
            )

    def _report(self) -> None:
        summary = self._summary()
        write_page(self.work.folder / PAGE, summary, self.axes)
        self._send(summary, [])

    def _send(self, summary: Summary, files: Sequence[Path]) -> None:
        """Send to MLflow what it lacks; a store that is away stops no search."""
        from pipelines._search.mlflow_runs import send_search  # mlflow

        target = find_address()
        reason = send_search(target, self.params.publish.experiment, summary, files)
        if reason is not None and (files or reason not in self._unsent):
            self._unsent.add(reason)
            tell(
                f"not all is sent to {target.shown}: {reason}. Nothing is lost: the same command sends the rest."
            )

    def _summary(self) -> Summary:
        return Summary(
            name=self.request.name,
            identity=self.trials.identity,
            space={axis.key: axis.text for axis in self.axes},
            seeds=self.params.seeds,
            results=self.trials.results(),
            start=self.trials.start,
            importance=self.trials.importance(),
        )


def _settings(params: Params, axes: Sequence[Axis]) -> dict[str, Any]:
    """Return what all trials of a search share: the space, the seeds, and the params that the training depends on."""
    searched = {axis.key for axis in axes}
    nodes = [read_node(stage) for stage in ("validate", "prepare", "train")]
    shared = {
        key: value
        for key, value in flatten(tree_of(params)).items()
        if key not in searched and any(node.uses(key) for node in nodes)
    }
    return {**shared, **{f"the range of {axis.key}": axis.text for axis in axes}}


def _images(work: WorkFolder) -> dict[str, str]:
    """Return the hash of the table of the prepared images."""
    return {MANIFEST.as_posix(): hashlib.sha256((work.clone / MANIFEST).read_bytes()).hexdigest()}
