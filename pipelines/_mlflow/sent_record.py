"""Record of what was sent: a file per clone, and a quick check whether the store still has it.

The record only saves time. Where it is missing, or the store lost what it names, `publish` asks MLflow itself.
"""

import base64
import json
import os
import sqlite3
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ocrnet.data.files import write_whole

from .address import STATE, StoreAddress, credentials

SENT_FILE = STATE / "published.json"
ALIAS = "challenger"
TIMEOUT_S = 2.0


@dataclass(frozen=True)
class Registered:
    """The version that was registered last, and its sources."""

    model: str
    version: str
    key: str
    evaluation_key: str
    weights_sha256: str


@dataclass
class Sent:
    """The known content of one experiment of one store.

    Args:
        runs: Id of the run of each key of `dvc.lock`.
        challenger: Version under the alias `challenger`.
        experiment_id: Id of the experiment in the store.
    """

    runs: dict[str, str] = field(default_factory=dict)
    challenger: Registered | None = None
    experiment_id: str = ""


def load_sent(target: StoreAddress, experiment: str, path: Path = SENT_FILE) -> Sent:
    """Return what was sent to an experiment; an empty record where the file is missing or cannot be read."""
    raw = _read(path).get(_place(target, experiment), {})
    try:
        challenger = raw.get("challenger")
        registered = Registered(**challenger) if challenger else None
        return Sent(dict(raw["runs"]), registered, raw["experiment_id"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return Sent()


def save_sent(target: StoreAddress, experiment: str, sent: Sent, path: Path = SENT_FILE) -> None:
    """Replace the record of an experiment."""
    ledger = {**_read(path), _place(target, experiment): asdict(sent)}
    write_whole(path, json.dumps(ledger, indent=1) + "\n")


def still_there(target: StoreAddress, sent: Sent, runs: Iterable[str]) -> bool | None:
    """Tell whether the store holds these runs, and the alias points at the version that was registered.

    Returns:
        None where only mlflow can tell: the server does not answer, or the store is of another kind.
    """
    wanted = sorted(set(runs))
    if os.environ.get("MLFLOW_REGISTRY_URI"):
        return None
    if target.sqlite_file is not None:
        return _in_sqlite(target.sqlite_file, sent.challenger, wanted)
    if target.is_http:
        return _on_server(target, sent, wanted)
    return None


def _in_sqlite(file: Path, challenger: Registered | None, runs: list[str]) -> bool | None:
    if not file.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as store:
            marks = ",".join("?" * len(runs))
            query = f"SELECT count(*) FROM runs WHERE lifecycle_stage = 'active' AND run_uuid IN ({marks})"
            if store.execute(query, runs).fetchone()[0] != len(runs):
                return False
            if challenger is None:
                return True
            query = "SELECT version FROM registered_model_aliases WHERE name = ? AND alias = ?"
            row = store.execute(query, (challenger.model, ALIAS)).fetchone()
            return row is not None and str(row[0]) == challenger.version
    except sqlite3.Error:  # busy, or not a store of this version of mlflow
        return None


def _on_server(target: StoreAddress, sent: Sent, runs: list[str]) -> bool | None:
    ids = ", ".join(f"'{run}'" for run in runs)
    asked = {
        "experiment_ids": [sent.experiment_id],
        "filter": f"attributes.run_id IN ({ids})",
        "max_results": len(runs),
    }
    try:
        if runs and len(_ask(target, "runs/search", asked).get("runs", [])) != len(runs):
            return False
        if sent.challenger is None:
            return True
        query = urllib.parse.urlencode({"name": sent.challenger.model, "alias": ALIAS})
        found = _ask(target, f"registered-models/alias?{query}")["model_version"]
        return str(found["version"]) == sent.challenger.version
    except urllib.error.HTTPError as error:
        return False if error.code in (400, 404) else None
    except (OSError, ValueError, KeyError):
        return None


def _ask(target: StoreAddress, endpoint: str, content: Mapping[str, Any] | None = None) -> Any:
    """Call the server without mlflow; a call may take a quarter of a second on a server that checks passwords."""
    headers = {**_authorization(), "Content-Type": "application/json"}
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(f"{target.uri}/api/2.0/mlflow/{endpoint}", data, headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        return json.load(answer)


def _authorization() -> dict[str, str]:
    if token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    known = {**credentials(), **os.environ}
    if user := known.get("MLFLOW_TRACKING_USERNAME"):
        pair = f"{user}:{known.get('MLFLOW_TRACKING_PASSWORD', '')}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
    return {}


def _place(target: StoreAddress, experiment: str) -> str:
    return f"{target.shown} {experiment}"


def _read(path: Path) -> dict[str, Any]:
    try:
        loaded = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return loaded if isinstance(loaded, dict) else {}
