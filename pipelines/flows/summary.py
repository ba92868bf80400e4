"""Make the page of a pipeline run on Prefect: its stages, the verdict, and where the outputs are."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.runtime import flow_run as current
from prefect.utilities.urls import url_for

from pipelines._command.secrets import hide_secrets
from pipelines._dvc_files.lock import key_of, load_plain_yaml
from pipelines._repository.clones import LOCK_FILE
from pipelines.flows.stage_scheduler import StageHistory

SUMMARY_KEY = "pipeline-summary"
LOCK_KEY = "dvc-lock"
EVALUATE = Path("data/evaluate")
PUBLISHED = Path(".state/published.json")


@dataclass(frozen=True)
class Facts:
    """Facts on the page besides the stages.

    Args:
        commit: Commit that the run was started for.
        made: Commit that was run: the same, or one with the overrides on top.
        branch: Branch that got `dvc.lock`; may be empty.
        flow_runs: Id of the flow run of each stage that ran on a worker, by the name of the stage.
        failure: Reason why the run failed; empty if it did not fail.
    """

    commit: str
    made: str
    branch: str
    flow_runs: Mapping[str, str]
    failure: str


def publish(root: Path, history: Mapping[str, StageHistory], facts: Facts) -> None:
    """Make the artifacts of a run; only log an error of the server."""
    try:
        lock = root / LOCK_FILE
        if lock.exists():
            text = f"```yaml\n{hide_secrets(lock.read_text())}```\n"
            create_markdown_artifact(
                text, key=LOCK_KEY, description=f"dvc.lock of commit {facts.made}"
            )
        create_markdown_artifact(hide_secrets(page(root, history, facts)), key=SUMMARY_KEY)
    except Exception as error:
        message = hide_secrets(str(error))
        get_run_logger().warning("the summary could not be sent: %s", message)


def page(root: Path, history: Mapping[str, StageHistory], facts: Facts) -> str:
    """Return the page as Markdown."""
    parts = [f"**Failed.** {facts.failure}"] if facts.failure else []
    parts += _verdict(root)
    parts.append(_stage_table(history, facts.flow_runs))
    parts += _class_table(root)
    parts.append(_places(root, facts))
    return "\n\n".join(parts) + "\n"


def _verdict(root: Path) -> list[str]:
    path = root / EVALUATE / "verdict.txt"
    return [path.read_text().strip()] if path.exists() else []


def _stage_table(history: Mapping[str, StageHistory], flow_runs: Mapping[str, str]) -> str:
    rows = []
    for name, one in history.items():
        address = url_for("flow-run", obj_id=flow_runs[name]) if name in flow_runs else None
        shown = f"[{name}]({address})" if address else name
        where = ", ".join(dict.fromkeys(one.workers)) or ("here" if one.state == "ran" else "")
        seconds = f"{one.seconds:.0f}" if one.tries else ""
        rows.append(f"| {shown} | {one.state} | {where} | {one.tries or ''} | {seconds} |")
    head = "| stage | state | worker | attempts | seconds |\n|---|---|---|---|---|"
    return "\n".join([head, *rows])


def _class_table(root: Path) -> list[str]:
    """Return the IoU per class of the challenger."""
    path = root / EVALUATE / "challenger.json"
    if not path.exists():
        return []
    metrics = json.loads(path.read_text()).get("metrics", {})
    rows = [
        f"| {name.removeprefix('test/').removeprefix('IoU/')} | {100 * value:.1f} % |"
        for name, value in metrics.items()
        if value is not None and (name == "test/mIoU" or name.startswith("test/IoU/"))
    ]
    return ["\n".join(["| challenger, test split | |", "|---|---|", *rows])] if rows else []


def _places(root: Path, facts: Facts) -> str:
    lines = [
        f"- commit `{facts.commit}`"
        + (f", run as `{facts.made}`" if facts.made != facts.commit else "")
    ]
    lock = root / LOCK_FILE
    if lock.exists():
        source = (
            f"branch `{facts.branch}`"
            if facts.branch
            else f"`python -m pipelines.fetch_run {current.get_id()}`"
        )
        lines.append(
            f"- dvc.lock (md5 `{hashlib.md5(lock.read_bytes()).hexdigest()}`): {source}, then `dvc pull`"
        )
    if (root / EVALUATE / "report.html").exists():
        lines.append(
            f"- report: `{EVALUATE / 'report.html'}`, also an artifact of the run of `evaluate` in MLflow"
        )
    lines += _mlflow_lines(root)
    return "\n".join(lines)


def _mlflow_lines(root: Path) -> list[str]:
    """Return a line per run of MLflow that belongs to this dvc.lock, and one on the challenger."""
    path, lock = root / PUBLISHED, root / LOCK_FILE
    if not path.exists() or not lock.exists():
        return []
    stages = load_plain_yaml(lock.read_bytes(), lock).get("stages") or {}
    names = {key_of(name, entry): name for name, entry in stages.items()}
    lines = []
    for place, sent in _ledger(path).items():
        store = place.partition(" ")[0].rstrip("/")
        page = f"{store}/#/experiments/{sent.get('experiment_id', '')}/runs"
        runs = {names[key]: run for key, run in sent.get("runs", {}).items() if key in names}
        lines += [
            f"- MLflow, {name}: "
            + (f"[{run}]({page}/{run})" if store.startswith("http") else f"`{run}`")
            for name, run in sorted(runs.items())
        ]
        if runs and sent.get("challenger"):
            found = sent["challenger"]
            lines.append(f"- challenger: `{found['model']}` version {found['version']}")
    return lines


def _ledger(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded
