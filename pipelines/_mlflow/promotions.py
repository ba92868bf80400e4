"""The ledger of promotions: who moved `champion`, when, from which version to which, on what figures and why.

It is a registered model of its own, `MODEL.promotions`; each of its versions is an entry, stored in tags. MLflow
numbers versions atomically and upwards, over all processes that share a store: when entry N exists, so do all before
it. So an entry is a ticket, too (`tickets`). Entries are only ever added; only the state changes, once:

| state | what |
|---|---|
| open | aliases are being moved, or were when the process died |
| done | they were moved |
| refused | by the gate, or because another promotion was at work; nothing was moved |
| undone | its process died and the next promotion or rollback put the aliases back |
| abandoned | its process died and the aliases were since moved by hand; they were left alone |
| duplicate | the store made an entry twice of one call |
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .client import Session
from .process import process_id, who
from .runs import prefect_ids

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

PAGE = 200
OPEN, DONE, REFUSED, ABANDONED = "open", "done", "refused", "abandoned"
ABOUT = "The ledger of promotions and rollbacks: a version per entry. Do not change or delete any."


@dataclass(frozen=True)
class Draft:
    """The content of a new entry.

    Args:
        kind: Kind of the change: promote, rollback or repair.
        champion: Number of the champion before.
        to: Number of the champion after; None for a repair.
        previous: Number of the version under the alias `previous` before.
        text: Description for people, as Markdown.
        figures: Numbers of the gate's decision.
        tags: Further tags, such as commit and data.
        about: Version that the entry is about; needed where both `to` and `champion` are None.
    """

    kind: str
    champion: str | None
    to: str | None
    previous: str | None
    reason: str = ""
    text: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    about: str | None = None


@dataclass(frozen=True)
class Entry:
    """An entry of the ledger.

    Args:
        number: Number of the entry; of two entries, the lower was first.
        created_ms: Time of the entry in milliseconds, by the clock of the store.
        tags: Content of the entry.
    """

    model: str
    number: int
    created_ms: int
    tags: Mapping[str, str]

    @property
    def state(self) -> str:
        """State of the entry, one of those in the module's table."""
        return self.tags["state"]

    @property
    def kind(self) -> str:
        """Kind of the change: promote, rollback or repair."""
        return self.tags["kind"]

    @property
    def ticket(self) -> str:
        """Id of the attempt."""
        return self.tags["ticket"]

    @property
    def champion(self) -> str | None:
        """Number of the champion before."""
        return self.tags.get("from") or None

    @property
    def to(self) -> str | None:
        """Number of the champion after."""
        return self.tags.get("to") or None

    @property
    def previous(self) -> str | None:
        """Number of the version under `previous` before."""
        return self.tags.get("previous") or None

    @property
    def name(self) -> str:
        """Name of the entry in messages."""
        return f"entry {self.number} of {ledger_name(self.model)}"

    @property
    def words(self) -> str:
        """Person, change and time, for messages."""
        what = f" to version {self.to}" if self.to else ""
        return f"{self.tags['by']}, {self.kind}{what}, since {self.tags['at']} ({self.name})"

    @property
    def decision(self) -> dict[str, Any]:
        """Numbers of the gate's decision; empty for a rollback."""
        loaded: dict[str, Any] = json.loads(self.tags.get("decision") or "{}")
        return loaded


def ledger_name(model: str) -> str:
    """Return the name of the registered model that is the ledger of a model."""
    return f"{model}.promotions"


def add_entry(session: Session, model: str, draft: Draft, *, ticket: str, state: str) -> Entry:
    """Add an entry with its whole content in one call."""
    from mlflow.exceptions import MlflowException

    name, client = ledger_name(model), session.client
    with suppress(MlflowException):  # it exists already
        client.create_registered_model(name, description=ABOUT)
    tags = {
        "state": state, "ticket": ticket, "process": process_id(), "kind": draft.kind,
        "by": who(), "at": utc_now(), "from": draft.champion or "", "to": draft.to or "",
        "previous": draft.previous or "", "reason": draft.reason[:5000],
        "decision": json.dumps(draft.figures) if draft.figures else "",
        **prefect_ids(), **draft.tags,
    }  # fmt: skip
    # A server accepts no free text and no path as a source. The version itself it accepts.
    source = f"models:/{model}/{draft.to or draft.champion or draft.about}"
    made = client.create_model_version(
        name, source, tags=tags, description=draft.text, await_creation_for=0
    )
    return _entry(model, made)


def close_entry(session: Session, entry: Entry, state: str, note: str = "") -> None:
    """Write how an open entry ended; the state is written last."""
    name, number, client = ledger_name(entry.model), str(entry.number), session.client
    tags = {"closed.at": utc_now(), "closed.by": who(), "note": note[:5000], "state": state}
    for tag, value in tags.items():
        client.set_model_version_tag(name, number, tag, value)


def read_entries(session: Session, model: str, *, only_open: bool = False) -> list[Entry]:
    """Return the entries of a ledger, the oldest first; empty where there is no ledger."""
    wanted = f"name = '{ledger_name(model)}'" + (f" and tags.state = '{OPEN}'" if only_open else "")
    found: list[Entry] = []
    token: str | None = None
    while True:
        page = session.client.search_model_versions(wanted, max_results=PAGE, page_token=token)
        found += [_entry(model, item) for item in page if "ticket" in item.tags]
        token = page.token
        if not token:
            return sorted(found, key=lambda entry: entry.number)


def read_entry(session: Session, entry: Entry) -> Entry:
    """Read an entry again."""
    name = ledger_name(entry.model)
    return _entry(entry.model, session.client.get_model_version(name, str(entry.number)))


def utc_now() -> str:
    """Return the present time as text for people."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _entry(model: str, version: "ModelVersion") -> Entry:
    return Entry(model, int(version.version), int(version.creation_timestamp), dict(version.tags))
