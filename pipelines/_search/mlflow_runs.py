"""The trials of a search in MLflow: a run for the search, and a child of it for each trial."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ocrnet.errors import StoreError
from pipelines._command.secrets import hide_secrets
from pipelines._mlflow.address import StoreAddress
from pipelines._mlflow.client import Session, connect, outages
from pipelines._mlflow.runs import find_run, now_ms
from pipelines._search.results import COMPLETE, PRUNED, Result, Summary
from pipelines._search.watch import SCORE
from pipelines._stage.commit import git_tags

if TYPE_CHECKING:
    from mlflow.entities import Run

SEARCH_TAG = "ocrnet.search"  # identity of the search
TRIAL_TAG = "ocrnet.trial"  # number of a trial; PARENT for the run of the search
STATE_TAG = "ocrnet.trial_state"
SENT_TAG = "ocrnet.sent"
PARENT_TAG = "mlflow.parentRunId"
PARENT = "all"
BEST = "search/val_mIoU"  # the score that the search compares
STATUS = {COMPLETE: "FINISHED", PRUNED: "KILLED"}
MOST_RUNS = 5000  # in one answer of a store


def send_search(
    target: StoreAddress, experiment: str, summary: Summary, files: Sequence[Path] = ()
) -> str | None:
    """Send the trials that a store lacks, and return None, or the reason why it does not have all.

    Args:
        target: Address of the store.
        experiment: Name of the experiment that gets the runs.
        summary: Search with the trials that ended.
        files: Files that the run of the search gets, once the search is over.
    """
    refusal = target.refusal()
    if refusal is not None:
        return refusal
    try:
        _send(connect(target, experiment), summary, files)
    except StoreError as error:
        return target.redact(str(error))
    except outages() as error:
        return target.redact(str(error))
    return None


def _send(session: Session, summary: Summary, files: Sequence[Path]) -> None:
    parent = _parent(session, summary)
    known = _known_children(session, summary)
    for result in summary.results:
        run = known.get(result.number)
        if run is None or SENT_TAG not in run.data.tags:
            _send_trial(session, summary, result, parent, run)
    client = session.client
    best = summary.best
    if best is not None and best.miou is not None:
        client.log_metric(parent, BEST, best.miou, step=best.number, timestamp=best.times_ms[1])
        client.set_tag(parent, "ocrnet.best_trial", str(best.number))
    for path in files:
        client.log_artifact(parent, str(path))
    if files:
        client.set_terminated(parent, "FINISHED")
    else:
        client.update_run(parent, status="RUNNING")


def _parent(session: Session, summary: Summary) -> str:
    """Return the run of the search, which is made if it is missing."""
    tags = {SEARCH_TAG: summary.identity, TRIAL_TAG: PARENT}
    run = find_run(session, tags)
    if run is None:
        start = min((one.times_ms[0] for one in summary.results), default=now_ms())
        run = session.client.create_run(
            session.experiment_id, start_time=start, tags={**tags, **git_tags()},
            run_name=f"search {summary.name}",
        )  # fmt: skip
    run_id = str(run.info.run_id)
    for key, text in {**summary.space, "seeds": list(summary.seeds)}.items():
        session.client.log_param(run_id, key, hide_secrets(str(text)))
    return run_id


def _known_children(session: Session, summary: Summary) -> "dict[int, Run]":
    found = session.client.search_runs(
        [session.experiment_id],
        f"tags.`{SEARCH_TAG}` = '{summary.identity}'",
        max_results=MOST_RUNS,
    )
    tags = [(run.data.tags[TRIAL_TAG], run) for run in found]
    return {int(number): run for number, run in tags if number != PARENT}


def _send_trial(
    session: Session, summary: Summary, result: Result, parent: str, run: "Run | None"
) -> None:
    """Send a trial; sending it again, after a kill in between, changes nothing."""
    from mlflow.entities import Metric, Param

    client = session.client
    begin, end = result.times_ms
    tags = {
        SEARCH_TAG: summary.identity, TRIAL_TAG: str(result.number), PARENT_TAG: parent,
        STATE_TAG: result.state, "ocrnet.reason": hide_secrets(result.reason[:500]),
    }  # fmt: skip
    if run is None:
        run = client.create_run(
            session.experiment_id, start_time=begin, tags=tags, run_name=f"trial {result.number}"
        )
    metrics = [Metric(SCORE, value, end, step) for step, value in result.points]
    if result.miou is not None:
        metrics.append(Metric(BEST, result.miou, end, 0))
    params = [Param(key, hide_secrets(str(value))) for key, value in result.values.items()]
    run_id = str(run.info.run_id)
    client.log_batch(run_id, metrics=metrics, params=params)
    client.set_terminated(run_id, STATUS.get(result.state, "FAILED"), end_time=end)
    client.set_tag(run_id, SENT_TAG, "complete")
