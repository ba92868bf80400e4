"""The ledger of promotions: who moved `champion`, when, from which version to which, on what figures and why.

It is a registered model of its own, `MODEL.promotions`; each of its versions is an entry, stored in tags. MLflow
numbers versions atomically and upwards, over all processes that share a store: when entry N exists, so do all before
it. So an open entry is a claim, too: of several open entries, the one with the lowest number may move aliases, and the
others are refused. Entries are only added, and the state of an entry changes once:

| state | meaning |
|---|---|
| open | aliases are being moved, or were being moved when the process died |
| done | they were moved |
| refused | the gate refused, or another promotion was running; nothing was moved |
| abandoned | it stayed open for longer than `promote.abandoned_minutes`; a later promotion or rollback closed it |

A process can die before `previous` moves, between `previous` and `champion`, or after both. Nothing has to be repaired:
the champion is valid at every moment, the next move sets both aliases, and a rollback asks the ledger, not `previous`,
which version was champion before. MLflow cannot compare and change an alias in one step. So a process that sleeps for
longer than the limit, between its last check and the change of the alias, would still make the change.
"""

import getpass
import json
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ocrnet.errors import GateError

from .client import Session
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
        kind: Kind of the change: promote or rollback.
        champion: Number of the champion before.
        to: Number of the champion after.
        reason: Reason that a person gave.
        text: Description for people, as Markdown.
        figures: Numbers of the gate's decision.
        tags: Further tags, such as commit and data.
    """

    kind: str
    champion: str | None
    to: str
    reason: str = ""
    text: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LedgerEntry:
    """An entry of the ledger.

    Args:
        model: Name of the registered model.
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
        """Kind of the change: promote or rollback."""
        return self.tags["kind"]

    @property
    def champion(self) -> str | None:
        """Number of the champion before."""
        return self.tags.get("from") or None

    @property
    def to(self) -> str | None:
        """Number of the champion after."""
        return self.tags.get("to") or None

    @property
    def name(self) -> str:
        """Name of the entry in messages."""
        return f"entry {self.number} of {ledger_name(self.model)}"

    @property
    def words(self) -> str:
        """Change, version, person and time, for messages."""
        what = f"{self.kind} to version {self.to}" if self.to else self.kind
        return f"{what} by {self.tags['by']}, started at {self.tags['at']} ({self.name})"

    @property
    def decision(self) -> dict[str, Any]:
        """Numbers of the gate's decision; empty for a rollback."""
        loaded: dict[str, Any] = json.loads(self.tags.get("decision") or "{}")
        return loaded


def ledger_name(model: str) -> str:
    """Return the name of the registered model that is the ledger of a model."""
    return f"{model}.promotions"


def add_entry(session: Session, model: str, draft: Draft, *, state: str) -> LedgerEntry:
    """Add an entry with its whole content in one call."""
    from mlflow.exceptions import MlflowException

    name, client = ledger_name(model), session.client
    with suppress(MlflowException):  # it exists already
        client.create_registered_model(name, description=ABOUT)
    tags = {
        "state": state, "claim": uuid4().hex, "kind": draft.kind, "by": person(), "at": utc_now(),
        "from": draft.champion or "", "to": draft.to, "reason": draft.reason[:5000],
        "decision": json.dumps(draft.figures) if draft.figures else "",
        **prefect_ids(), **draft.tags,
    }  # fmt: skip
    # A server accepts no free text and no path as a source. The version itself it accepts.
    made = client.create_model_version(
        name, f"models:/{model}/{draft.to}", tags=tags, description=draft.text, await_creation_for=0
    )
    return _entry(model, made)


def claim(session: Session, model: str, draft: Draft, *, limit_s: float) -> LedgerEntry:
    """Open an entry and return it if it is the first open one; close older ones that are beyond the limit.

    Args:
        session: Store of the registry.
        model: Name of the registered model.
        draft: Content of the entry.
        limit_s: Age in seconds from which an open entry counts as abandoned.

    Raises:
        GateError: Another promotion is running.
    """
    mine = add_entry(session, model, draft, state=OPEN)
    for entry in read_entries(session, model, only_open=True):
        # Both times are from the clock of the store: the clock of this machine may differ from it.
        left_s = limit_s - (mine.created_ms - entry.created_ms) / 1000
        if entry.tags["claim"] == mine.tags["claim"] and entry.number != mine.number:
            close_entry(session, entry, REFUSED, "the store made this entry twice of one call")
        elif entry.number < mine.number and left_s >= 0:
            reason = busy_words(entry, left_s)
            close_entry(session, mine, REFUSED, reason)
            raise GateError(f"{model}: {reason}")
        elif entry.number < mine.number:
            close_entry(session, entry, ABANDONED, f"closed by entry {mine.number}")
    return mine


def abandoned_entries(session: Session, model: str, *, limit_s: float) -> list[LedgerEntry]:
    """Return the open entries that are beyond the limit, by the clock of this machine.

    This is a check for people, before the work of a promotion; `claim` decides, by the clock of the store.

    Raises:
        GateError: An open entry is younger: its promotion may be running.
    """
    opened = read_entries(session, model, only_open=True)
    for entry in opened:
        left_s = limit_s - (time.time() - entry.created_ms / 1000)
        if left_s >= 0:
            raise GateError(f"{model}: {busy_words(entry, left_s)}")
    return opened


def busy_words(entry: LedgerEntry, left_s: float) -> str:
    """Return a message that names the running promotion, the seconds until it counts as abandoned, and the cure."""
    return (
        f"{entry.words} is running. Run this again when it has ended; if its process died, it counts as abandoned in "
        f"{left_s / 60:.0f} minutes."
    )


def champion_before(session: Session, model: str, champion: str) -> str | None:
    """Return the version that was champion before the present one, by the newest entry that moved it."""
    moves = [
        entry
        for entry in read_entries(session, model)
        if entry.to == champion and entry.state in (DONE, ABANDONED, OPEN)
    ]
    return moves[-1].champion if moves else None


def close_entry(session: Session, entry: LedgerEntry, state: str, note: str = "") -> None:
    """Write how an open entry ended; the state is written last."""
    name, number, client = ledger_name(entry.model), str(entry.number), session.client
    tags = {"closed.at": utc_now(), "closed.by": person(), "note": note[:5000], "state": state}
    for tag, value in tags.items():
        client.set_model_version_tag(name, number, tag, value)


def read_entries(session: Session, model: str, *, only_open: bool = False) -> list[LedgerEntry]:
    """Return the entries of a ledger, the oldest first; empty where there is no ledger."""
    wanted = f"name = '{ledger_name(model)}'" + (f" and tags.state = '{OPEN}'" if only_open else "")
    found: list[LedgerEntry] = []
    token: str | None = None
    while True:
        page = session.client.search_model_versions(wanted, max_results=PAGE, page_token=token)
        found += [_entry(model, item) for item in page if "state" in item.tags]
        token = page.token
        if not token:
            return sorted(found, key=lambda entry: entry.number)


def read_entry(session: Session, entry: LedgerEntry) -> LedgerEntry:
    """Read an entry again."""
    name = ledger_name(entry.model)
    return _entry(entry.model, session.client.get_model_version(name, str(entry.number)))


def person() -> str:
    """Return the user, by the name in MLflow where one is set, and the machine."""
    user = os.environ.get("MLFLOW_TRACKING_USERNAME")
    if not user:
        try:
            user = getpass.getuser()
        except (OSError, KeyError):  # a container whose user has no name
            user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def utc_now() -> str:
    """Return the present time as text for people."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _entry(model: str, version: "ModelVersion") -> LedgerEntry:
    # A person may have deleted a tag by hand; the entry then has a gap, and the ledger stays readable.
    tags = {"claim": "", "kind": "?", "by": "?", "at": "?", **version.tags}
    return LedgerEntry(model, int(version.version), int(version.creation_timestamp), tags)
