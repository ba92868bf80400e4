"""Allow one promotion at a time, without a lock: an open entry of the ledger is a ticket, and the lowest number wins.

An entry that finds a lower one open steps back. It misses none, since MLflow gives out number N only when all lower
numbers exist. A promotion holds the ticket for the second or so in which aliases move, not while models are scored; so
it also checks that the champion is still the one that was compared.

A ticket expires when its process is dead or it is older than `promote.abandoned_minutes`: the next promotion finishes
or undoes it. MLflow cannot compare and change an alias in one step: a process that sleeps for longer than that between
its last check and the change of the alias would still make the change.
"""

import time
from uuid import uuid4

from ocrnet.errors import GateError

from .aliases import CHAMPION, PREVIOUS, read_aliases, set_alias
from .client import Session
from .process import is_dead
from .promotions import (
    ABANDONED,
    DONE,
    OPEN,
    REFUSED,
    Draft,
    Entry,
    add_entry,
    close_entry,
    read_entries,
    read_entry,
    utc_now,
)


def take_ticket(session: Session, model: str, draft: Draft, *, patience_s: float) -> Entry:
    """Open an entry, repair unfinished entries of dead processes before it, and return it once it is the first.

    Raises:
        GateError: another promotion is running, or the champion is not the one of the draft.
    """
    ticket = uuid4().hex
    add_entry(session, model, draft, ticket=ticket, state=OPEN)
    opened = read_entries(session, model, only_open=True)
    # A call that timed out and was repeated may have made two entries.
    mine, *copies = [entry for entry in opened if entry.ticket == ticket]
    for entry in copies:
        close_entry(session, entry, "duplicate")
    before = [entry for entry in opened if entry.number < mine.number]
    for entry in before:
        if not is_abandoned(entry, now_ms=mine.created_ms, patience_s=patience_s):
            reason = busy_words(entry, now_ms=mine.created_ms, patience_s=patience_s)
            close_entry(session, mine, REFUSED, reason)
            raise GateError(f"{model}: {reason}")
    for entry in before:
        repair(session, entry, by=mine)
    _check_unchanged(session, mine)
    return mine


def move_aliases(session: Session, mine: Entry) -> None:
    """Move `previous`, then `champion`, so that the champion is valid at every moment; then check both.

    Raises:
        GateError: another promotion took over the ticket, or someone else moved the aliases.
    """
    _check_mine(session, mine)
    if mine.champion is not None:
        set_alias(session, mine.model, PREVIOUS, mine.champion)
    _check_mine(session, mine)
    set_alias(session, mine.model, CHAMPION, mine.to)
    found = read_aliases(session, mine.model)
    expected = mine.previous if mine.champion is None else mine.champion
    if (found.champion, found.previous) != (mine.to, expected):
        reason = (
            f"champion is version {found.champion} and previous {found.previous}; set were {mine.to} and {expected}: "
            "someone moved them by hand in this moment. Look at both."
        )
        close_entry(session, mine, ABANDONED, reason)
        raise GateError(f"{mine.model}: {reason}")


def repair(session: Session, entry: Entry, *, by: Entry) -> str:
    """Finish or undo the promotion of a dead process, by the state of the aliases, and return what was done."""
    aliases = read_aliases(session, entry.model)
    if entry.to is None:
        state, done = ABANDONED, "it had moved nothing"
    elif aliases.champion == entry.to:
        if entry.champion is not None and aliases.previous != entry.champion:
            set_alias(session, entry.model, PREVIOUS, entry.champion)
        tag_version(session, entry)
        state, done = DONE, "champion was moved already; the rest was finished"
    elif aliases.champion == entry.champion:
        if aliases.previous != entry.previous:
            set_alias(session, entry.model, PREVIOUS, entry.previous)
        state, done = "undone", "champion was not moved yet; previous was put back"
    else:
        state = ABANDONED
        done = f"champion is now version {aliases.champion}, moved by hand; the aliases were left alone"
    close_entry(session, entry, state, f"{done} (by entry {by.number})")
    return done


def repair_unfinished(session: Session, model: str, *, patience_s: float) -> list[str]:
    """Repair the promotions of dead processes under a ticket and return a line for each.

    Raises:
        GateError: a promotion is running.
    """
    left = unfinished(session, model, patience_s=patience_s)
    if not left:
        return []
    about = next((entry.to for entry in left if entry.to), "1")
    draft = Draft("repair", read_aliases(session, model).champion, None, None, about=about)
    mine = take_ticket(session, model, draft, patience_s=patience_s)
    close_entry(session, mine, DONE)
    ended = [read_entry(session, entry) for entry in left]
    return [f"{entry.words} was left unfinished: {entry.tags['note']}" for entry in ended]


def unfinished(session: Session, model: str, *, patience_s: float) -> list[Entry]:
    """Return the entries that dead processes left open.

    Raises:
        GateError: the process of an entry may still be running.
    """
    opened = read_entries(session, model, only_open=True)
    now_ms = int(1000 * time.time())
    for entry in opened:
        if not is_abandoned(entry, now_ms=now_ms, patience_s=patience_s):
            words = busy_words(entry, now_ms=now_ms, patience_s=patience_s)
            raise GateError(f"{model}: {words}")
    return opened


def is_abandoned(entry: Entry, *, now_ms: int, patience_s: float) -> bool:
    """Tell whether an open entry has expired."""
    return is_dead(entry.tags["process"]) or now_ms - entry.created_ms > 1000 * patience_s


def busy_words(entry: Entry, *, now_ms: int, patience_s: float) -> str:
    """Return a message that names the running promotion and the cure."""
    left_s = max(0.0, patience_s - (now_ms - entry.created_ms) / 1000)
    return (
        f"{entry.words} is at work. Run it again when that is over; should its process be dead, "
        f"it counts as abandoned in {left_s / 60:.0f} minutes."
    )


def tag_version(session: Session, entry: Entry) -> None:
    """Tag the new champion with how it was promoted."""
    given = {
        "promoted.at": utc_now(), "promoted.by": entry.tags["by"], "promoted.from": entry.champion or "none",
        "promoted.entry": str(entry.number), "promoted.kind": entry.kind,
        "promoted.prefect.flow_run_id": entry.tags.get("prefect.flow_run_id", ""),
        "promoted.miou_difference": entry.tags.get("miou_difference", ""),
        "promoted.miou": entry.tags.get("miou", ""),
    }  # fmt: skip
    for name, value in given.items():
        if value:
            session.client.set_model_version_tag(entry.model, str(entry.to), name, value)


def _check_mine(session: Session, mine: Entry) -> None:
    """Refuse to continue with an expired ticket, as after the machine slept."""
    if read_entry(session, mine).state == OPEN:
        return
    found = read_aliases(session, mine.model)
    if mine.champion is not None and found.champion == found.previous == mine.champion:
        set_alias(session, mine.model, PREVIOUS, mine.previous)
    raise GateError(
        f"{mine.model}: {mine.name} took longer than promote.abandoned_minutes and was undone by another. Run it again."
    )


def _check_unchanged(session: Session, mine: Entry) -> None:
    """Refuse to move aliases that changed since the draft was made."""
    found = read_aliases(session, mine.model)
    if mine.kind == "repair" or (found.champion, found.previous) == (mine.champion, mine.previous):
        return
    done = [entry for entry in read_entries(session, mine.model) if entry.state == DONE]
    last = f" by {done[-1].words}" if done and done[-1].to == found.champion else ""
    reason = (
        f"champion is version {found.champion} now and was {mine.champion} when this was decided: moved{last}. "
        "Run it again."
    )
    close_entry(session, mine, REFUSED, reason)
    raise GateError(f"{mine.model}: {reason}")
