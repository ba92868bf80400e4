"""Promote the challenger, or go back to the version before: what the commands and the flows call."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from ocrnet.config import Params
from ocrnet.config.params_file import load_params
from ocrnet.errors import DataError, GateError, StoreError
from pipelines._outside import device_name, registry_name, text_line, version_or_alias
from pipelines._stage.commit import git_tags

from .aliases import PREVIOUS, read_aliases
from .client import Session, connect, outages
from .outcome import Outcome, PromoteOptions, Proposal
from .promotions import (
    DONE,
    REFUSED,
    Draft,
    Entry,
    add_entry,
    close_entry,
    ledger_name,
    read_entries,
)
from .target import Target, find_target
from .tickets import (
    move_aliases,
    repair,
    repair_unfinished,
    tag_version,
    take_ticket,
    unfinished,
)
from .versions import find_version

__all__ = ["Outcome", "PromoteOptions", "history", "promote", "rollback"]
SQLITE = b"SQLite format 3\0"  # the first bytes of each of its files
CURES = {  # of a local store, by what is in its error, in lower case
    "out-of-date database schema": "An older MLflow made it. Copy the file, then run: mlflow db upgrade {uri}",
    "can't locate revision": "A newer MLflow made it. Run `make setup`, or use the environment that made it.",
    "not a database": "The file is damaged. Put a copy of before in its place, or move it away: the next "
    "`dvc repro` or `python -m pipelines.publish` sends all again, without the promotions.",
    "malformed": "The file is damaged. Put a copy of before in its place, or move it away: the next `dvc repro` or "
    "`python -m pipelines.publish` sends all again, without the promotions.",
    "database is locked": "Another process writes to it. Try again once that one has ended.",
    "readonly database": "The file or its folder cannot be written to. Give yourself the right to.",
}
KEPT = (  # of the version's tags
    "git.sha", "dvc.data_md5", "dvc.lock_md5", "dvc.stage_key", "evaluate.stage_key", "weights_sha256", "arm", "seed",
    "params.sha", "prefect.flow_run_id",
)  # fmt: skip


def promote(options: PromoteOptions) -> Outcome:
    """Score a version and, where the gate agrees, make it the champion.

    Raises:
        ParamsError: the params or an option are wrong.
        DataError: the version, the data or the model are missing.
        BundleError: a bundle cannot be downloaded or used.
        GateError: another promotion is running, or came first.
        StoreError: MLflow is unreachable.
    """
    params = load_params(options.params)
    registry_name(options.model or params.publish.model_name, "--model")
    version_or_alias(options.version, "--version")
    text_line(options.reason, "--reason")
    device_name(options.device, "--device")
    with opened(params) as session:
        return settle(session, propose(session, options, params), options, params)


def rollback(
    *, model: str | None = None, reason: str = "", params: Path = Path("params.yaml")
) -> Outcome:
    """Make the previous champion the champion again; the present one becomes `previous`.

    Raises:
        ParamsError: the params are wrong.
        DataError: the registry does not have the model.
        GateError: there is no previous champion, or a promotion is running.
        StoreError: MLflow is unreachable.
    """
    loaded = load_params(params)
    name = registry_name(model or loaded.publish.model_name, "--model")
    text_line(reason, "--reason")
    patience_s = 60 * loaded.promote.abandoned_minutes
    with opened(loaded) as session:
        notes = repair_unfinished(session, name, patience_s=patience_s)
        held = read_aliases(session, name)
        if held.champion is None or held.previous is None:
            raise GateError(f"{name}: no version has the alias {PREVIOUS}: nothing to go back to.")
        text = f"Rollback from version {held.champion} to {held.previous}. {reason}".strip()
        draft = Draft(
            "rollback", held.champion, held.previous, held.previous, reason, text, tags=git_tags()
        )
        mine = take_ticket(session, name, draft, patience_s=patience_s)
        _move(session, mine)
        notes.append(f"{name}: {_moved_words(mine)}")
        return Outcome(name, True, held.champion, held.previous, None, mine.number, tuple(notes))


def propose(session: Session, options: PromoteOptions, params: Params) -> Proposal:
    """Repair unfinished promotions, then compare the challenger with the present champion."""
    model = options.model or params.publish.model_name
    patience_s = 60 * params.promote.abandoned_minutes
    challenger = find_version(session, model, options.version)
    if options.dry_run:
        left = unfinished(session, model, patience_s=patience_s)
        notes = [f"{one.words} is unfinished; the next promotion repairs it" for one in left]
    else:
        notes = repair_unfinished(session, model, patience_s=patience_s)
    held = read_aliases(session, model)
    decision = None
    if held.champion != challenger.number:
        _check_prepared(options.prepared)
        from .judging import judge

        champion = find_version(session, model, held.champion) if held.champion else None
        decision = judge(
            session, challenger, champion,
            params=params, prepared=options.prepared, device=options.device, first=options.first,
        )  # fmt: skip
    return Proposal(challenger, held.champion, held.previous, decision, tuple(notes))


def settle(
    session: Session, proposal: Proposal, options: PromoteOptions, params: Params
) -> Outcome:
    """Carry out the gate's decision: move the aliases, or write the refusal into the ledger."""
    model, version = proposal.challenger.model, proposal.challenger.number
    decision, notes = proposal.decision, list(proposal.notes)
    moved, number = False, None
    if decision is None:
        notes.append(f"{model}: version {version} is the champion already")
    elif options.dry_run:
        would = "would be promoted" if decision.promote else "would be refused"
        notes.append(f"{model}: version {version} {would}; nothing was changed (--dry-run)")
    elif not decision.promote:
        number = add_entry(
            session, model, _draft(proposal, options), ticket=uuid4().hex, state=REFUSED
        ).number
        notes.append(f"{model}: version {version} is refused: {'; '.join(decision.reasons)}")
    else:
        patience_s = 60 * params.promote.abandoned_minutes
        mine = take_ticket(session, model, _draft(proposal, options), patience_s=patience_s)
        _move(session, mine)
        moved, number = True, mine.number
        notes.append(f"{model}: {_moved_words(mine)}")
    return Outcome(model, moved, proposal.champion, version, decision, number, tuple(notes))


def history(*, model: str | None = None, params: Path = Path("params.yaml")) -> list[Entry]:
    """Return the ledger of a model, the oldest entry first.

    Raises:
        ParamsError: the params are wrong.
        StoreError: MLflow is unreachable.
    """
    loaded = load_params(params)
    with opened(loaded, changes=False) as session:
        return read_entries(session, model or loaded.publish.model_name)


@contextmanager
def opened(params: Params, *, changes: bool = True) -> Iterator[Session]:
    """Open the store that `MLFLOW_TRACKING_URI` names, and turn its errors into one line.

    Args:
        params: Values of `params.yaml`.
        changes: Whether the block changes the store, so that an error may leave half a promotion.

    Raises:
        StoreError: MLflow is unreachable or refuses a call.
    """
    target = find_target()
    refusal = target.refusal()
    if refusal is not None:
        raise StoreError(f"{target.shown}: {refusal}. Nothing was changed.")
    if _is_foreign(target.sqlite_file):  # MLflow would retry for a minute
        raise StoreError(f"{target.shown}: file is not a database. {CURES['not a database']}")
    try:
        yield connect(target, params.publish.experiment)
    except TimeoutError as error:
        raise StoreError(f"{target.shown}: {target.redact(str(error))}") from None
    except outages() as error:
        raise StoreError(_store_words(target, error, changes=changes)) from error


def _is_foreign(file: Path | None) -> bool:
    """Tell whether a file exists and was not written by SQLite."""
    if file is None or not file.is_file() or not file.stat().st_size:
        return False
    with file.open("rb") as content:
        return content.read(len(SQLITE)) != SQLITE


def _store_words(target: Target, error: Exception, *, changes: bool) -> str:
    text = target.redact(str(error))
    found = f"{target.shown}: {text[:300]}."
    cure = next((cure for part, cure in CURES.items() if part in text.lower()), "")
    if cure:
        return f"{found} {cure.format(uri=target.shown)}"
    return f"{found} `python -m pipelines.promotions` shows how far it came." if changes else found


def _check_prepared(folder: Path) -> None:
    """Check that the checkout holds the test split.

    Raises:
        DataError: the checkout does not hold it.
    """
    if not (folder / "manifest.csv").is_file():
        raise DataError(
            f"{folder}: this checkout does not hold the test split that is scored on. After a run on workers: "
            "`python -m pipelines.take RUN`, then `dvc checkout` (`dvc pull` where there is a remote), or the flow "
            "promote/main. After a run here: `dvc checkout`."
        )


def _draft(proposal: Proposal, options: PromoteOptions) -> Draft:
    """Return the entry for the ledger: everything that the decision depends on."""
    from ocrnet.gate.decision import basis_words

    decision = proposal.decision
    assert decision is not None
    figures, seen = decision.figures, proposal.challenger.tags
    tags = {
        **git_tags(),
        "reasons": "\n".join(decision.reasons),
        "bootstrap": basis_words(figures["bootstrap"]),
        "test_sha256": figures["test_sha256"],
        **{f"challenger.{name}": seen[name] for name in KEPT if name in seen},
        **decision.in_words(),
    }
    text = f"Version {proposal.challenger.number}\n\n```\n{decision.to_text()}\n```\n"
    return Draft(
        "promote", proposal.champion, proposal.challenger.number, proposal.previous,
        options.reason, text, decision.to_json(), tags,
    )  # fmt: skip


def _move(session: Session, mine: Entry) -> None:
    """Move the aliases and close the entry; undo a move that fails half way, if the store still answers."""
    try:
        move_aliases(session, mine)
        tag_version(session, mine)
        close_entry(session, mine, DONE)
    except outages():
        with suppress(*outages()):
            repair(session, mine, by=mine)
        raise


def _moved_words(mine: Entry) -> str:
    before = f", before it was version {mine.champion}" if mine.champion else ", the first"
    return (
        f"champion is version {mine.to}{before} (entry {mine.number} of {ledger_name(mine.model)})"
    )
