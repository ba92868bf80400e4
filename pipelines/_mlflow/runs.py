"""One run of MLflow per stage cell: find it by its key, or make it, and add the points that it lacks."""

import json
import logging
import math
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pipelines._command.secrets import hide_secrets
from pipelines._dvc_files.lock import LOCK_FILE, Entry, Lock
from pipelines._stage.commit import commit_tags

from .address import STATE
from .client import Session
from .stage_points import Point, StageRecord, all_points, params_of, read_record, read_times

if TYPE_CHECKING:
    from mlflow.entities import Run

logger = logging.getLogger(__name__)
KEY_TAG = "dvc.stage_key"
STAGE_TAG = "ocrnet.stage"
FINGERPRINT_TAG = "ocrnet.fingerprint"
SENT_TAG = "ocrnet.sent"  # set last, when the run is complete
REPLACED_TAG = "ocrnet.replaced_by"
METRICS_PER_CALL = 1000
PARAMS_PER_CALL = 100
LARGEST_ARTIFACT = 100 * 2**20
FLOW_RUNS = "OCRNET_FLOW_RUNS"  # stage: flow run, as JSON, of a flow that runs `publish`
TEXTS = {".csv", ".html", ".json", ".lock", ".md", ".txt", ".yaml"}
WEIGHTS = {".safetensors", ".pt", ".pth", ".onnx"}  # sent to MLflow only as a registered model
PREFECT = {
    "prefect.flow_run_id": ("PREFECT__FLOW_RUN_ID", "PREFECT_FLOW_RUN_ID"),
    "prefect.parent_id": ("PREFECT_PARENT_FLOW_RUN_ID",),
}


def find_sent(session: Session, entry: Entry) -> str | None:
    """Return the id of the complete run of a stage, or None."""
    run = find_run(session, {KEY_TAG: entry.key, SENT_TAG: "complete"})
    return None if run is None else str(run.info.run_id)


def send_stage(session: Session, entry: Entry, lock: Lock, git: Mapping[str, str]) -> str:
    """Send everything of a stage that MLflow lacks and return the run, which an earlier attempt may have begun."""
    record = read_record(entry.out)
    run = find_run(session, {KEY_TAG: entry.key})
    times = read_times(STATE / "times" / f"{entry.name}.txt")
    begun = run or _find_begun(session, entry, record)
    start_ms = begun.info.start_time if begun else min(times, default=now_ms())
    points = all_points(entry.out, times, start_ms=start_ms)
    sent: set[tuple[str, int]] = set()
    run_id = ""
    if begun is not None:
        run_id = str(begun.info.run_id)
        history = read_history(session, run_id)
        sent = {point.place for point in history}
        if run is None and not _agree(history, points):
            run_id, sent = _replace(session, begun, entry, record), set()
    if not run_id:
        run_id = create_run(session, entry.name, record.fingerprint, start_ms=start_ms)
    tags = lineage(entry, lock, record, git)
    for name, value in tags.items():
        session.client.set_tag(run_id, name, value)
    log_params(session, run_id, record)
    log_points(session, run_id, [point for point in points if point.place not in sent])
    log_artifacts(session, run_id, entry.out)
    end_ms = max([start_ms, *(point.time_ms for point in points)])
    session.client.set_terminated(run_id, "FINISHED", end_time=end_ms)
    session.client.set_tag(run_id, SENT_TAG, "complete")
    return run_id


def find_run(session: Session, tags: Mapping[str, str]) -> "Run | None":
    """Return the newest run with these tags."""
    terms = [f"tags.`{name}` = '{value}'" for name, value in tags.items()]
    found = session.client.search_runs(
        [session.experiment_id], " and ".join(terms), max_results=1, order_by=["start_time DESC"]
    )
    return found[0] if found else None


def create_run(session: Session, name: str, fingerprint: str, *, start_ms: int) -> str:
    """Start a run of a stage cell and return its id."""
    tags = {STAGE_TAG: name, FINGERPRINT_TAG: fingerprint, **prefect_ids(name)}
    run = session.client.create_run(
        session.experiment_id, start_time=start_ms, tags=tags, run_name=name
    )
    return str(run.info.run_id)


def read_history(session: Session, run_id: str) -> list[Point]:
    """Return every point that a run holds."""
    client = session.client
    return [
        Point(name, metric.step, metric.value, metric.timestamp)
        for name in client.get_run(run_id).data.metrics
        for metric in client.get_metric_history(run_id, name)
    ]


def log_points(session: Session, run_id: str, points: Sequence[Point]) -> None:
    """Send points in as few calls as MLflow allows."""
    from mlflow.entities import Metric

    for batch in _batches(points, METRICS_PER_CALL):
        metrics = [Metric(point.name, point.value, point.time_ms, point.step) for point in batch]
        session.client.log_batch(run_id, metrics=metrics)


def log_params(session: Session, run_id: str, record: StageRecord) -> None:
    """Send the params that the run does not hold yet; MLflow never changes a param."""
    from mlflow.entities import Param

    known = session.client.get_run(run_id).data.params
    missing = [Param(name, text) for name, text in params_of(record).items() if name not in known]
    for batch in _batches(missing, PARAMS_PER_CALL):
        session.client.log_batch(run_id, params=batch)


def log_artifacts(session: Session, run_id: str, out: Path) -> None:
    """Send the files at the top of a stage's folder, without weights, and `dvc.lock` and `params.yaml`."""
    for path in sorted(out.iterdir()):
        if not path.is_file() or path.suffix in WEIGHTS:
            continue
        if path.stat().st_size > LARGEST_ARTIFACT:
            logger.warning(
                "%s: larger than %d MiB, not sent to MLflow", path, LARGEST_ARTIFACT >> 20
            )
            continue
        _log_file(session, run_id, path)
    for path in (LOCK_FILE, Path("params.yaml")):
        if path.is_file():
            _log_file(session, run_id, path, "provenance")


def _log_file(session: Session, run_id: str, path: Path, folder: str | None = None) -> None:
    """Send a file without the secrets in it, such as a store's address in `params.yaml`."""
    content = path.read_bytes() if path.suffix in TEXTS else b""
    shown = hide_secrets(content.decode(errors="surrogateescape"))
    if shown.encode(errors="surrogateescape") == content:
        session.client.log_artifact(run_id, str(path), folder)
        return
    with TemporaryDirectory() as place:
        copy = Path(place, path.name)
        copy.write_bytes(shown.encode(errors="surrogateescape"))
        session.client.log_artifact(run_id, str(copy), folder)


def lineage(
    entry: Entry, lock: Lock, record: StageRecord, git: Mapping[str, str]
) -> dict[str, str]:
    """Return the tags that link a run to code, data and params."""
    params = json.dumps(dict(record.params), sort_keys=True)
    return {
        KEY_TAG: entry.key,
        "dvc.lock_md5": lock.md5,
        "dvc.data_md5": lock.data_md5,
        "dvc.out_md5": entry.md5,
        "params.sha": sha256(params.encode()).hexdigest(),
        STAGE_TAG: entry.name,
        FINGERPRINT_TAG: record.fingerprint,
        **commit_tags(entry.name, record.fingerprint, now=dict(git)),
        **prefect_ids(entry.name),
    }


def prefect_ids(stage: str = "") -> dict[str, str]:
    """Return the ids of the Prefect run that ran a stage and of its parent.

    `publish` sends stages that other runs of Prefect ran: the flow that started it passes their ids, stage by stage.
    """
    found = {
        tag: next((os.environ[name] for name in names if os.environ.get(name)), "")
        for tag, names in PREFECT.items()
    }
    if listed := os.environ.get(FLOW_RUNS):
        found["prefect.flow_run_id"] = json.loads(listed).get(stage, "")
    return {tag: value for tag, value in found.items() if value}


def now_ms() -> int:
    """Return the wall-clock time in milliseconds."""
    return int(1000 * time.time())


def _find_begun(session: Session, entry: Entry, record: StageRecord) -> "Run | None":
    """Return the run that a follower began, unless it already belongs to a key."""
    begun = find_run(session, {STAGE_TAG: entry.name, FINGERPRINT_TAG: record.fingerprint})
    if begun is None or begun.data.tags.get(KEY_TAG) or begun.data.tags.get(REPLACED_TAG):
        return None
    return begun


def _agree(history: Iterable[Point], points: Iterable[Point]) -> bool:
    """Tell whether every point sent live is in the files, with the same value.

    They differ where a training continued from a checkpoint and a GPU gave other values the second time.
    """
    values = {point.place: point.value for point in points}
    return all(
        point.place in values and math.isclose(values[point.place], point.value, rel_tol=1e-9)
        for point in history
    )


def _replace(session: Session, begun: "Run", entry: Entry, record: StageRecord) -> str:
    run_id = create_run(session, entry.name, record.fingerprint, start_ms=begun.info.start_time)
    session.client.set_tag(begun.info.run_id, REPLACED_TAG, run_id)
    session.client.set_terminated(begun.info.run_id, "KILLED")
    return run_id


def _batches(items: Sequence[Any], size: int) -> Iterable[list[Any]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
