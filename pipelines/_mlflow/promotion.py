"""Promote the challenger, or go back to the version before: what the commands and the flows call."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ocrnet.config import Params
from ocrnet.config.params_file import load_params
from ocrnet.errors import DataError, GateError
from pipelines._stage.commit import git_tags
from pipelines._untrusted import device_name, registry_name, text_line, version_or_alias

from .address import find_address
from .aliases import move_aliases, read_aliases
from .client import Session, connect
from .promotion_ledger import (
    DONE,
    REFUSED,
    Draft,
    LedgerEntry,
    abandoned_entries,
    add_entry,
    champion_before,
    claim,
    close_entry,
    read_entries,
)
from .promotion_result import PromoteOptions, PromotionResult, Proposal
from .store_errors import store_errors
from .versions import find_version

__all__ = ["PromoteOptions", "PromotionResult", "history", "promote", "rollback"]
KEPT = (  # of the version's tags
    "git.sha", "dvc.data_md5", "dvc.lock_md5", "dvc.stage_key", "evaluate.stage_key", "weights_sha256", "arm", "seed",
    "params.sha", "prefect.flow_run_id",
)  # fmt: skip


def promote(options: PromoteOptions) -> PromotionResult:
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
) -> PromotionResult:
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
    limit_s = 60 * loaded.promote.abandoned_minutes
    with opened(loaded) as session:
        notes = _abandoned_notes(session, name, limit_s=limit_s)
        held = read_aliases(session, name)
        target = champion_before(session, name, held.champion) if held.champion else None
        target = target or held.previous
        if held.champion is None or target in (None, held.champion):
            raise GateError(f"{name}: there was no champion before: nothing to go back to.")
        text = f"Rollback from version {held.champion} to {target}. {reason}".strip()
        draft = Draft("rollback", held.champion, str(target), reason, text, tags=git_tags())
        mine = _move(session, name, draft, limit_s=limit_s)
        notes.append(f"{name}: {_moved_words(mine)}")
        return PromotionResult(
            name, True, held.champion, str(target), None, mine.number, tuple(notes)
        )


def propose(session: Session, options: PromoteOptions, params: Params) -> Proposal:
    """Compare the challenger with the present champion, and note promotions that were abandoned."""
    model = options.model or params.publish.model_name
    limit_s = 60 * params.promote.abandoned_minutes
    challenger = find_version(session, model, options.version)
    notes = _abandoned_notes(session, model, limit_s=limit_s)
    held = read_aliases(session, model)
    decision = None
    if held.champion != challenger.number:
        _check_prepared(options.prepared)
        from .gate_versions import score_and_decide

        champion = find_version(session, model, held.champion) if held.champion else None
        decision = score_and_decide(
            session, challenger, champion,
            params=params, prepared=options.prepared, device=options.device, first=options.first,
        )  # fmt: skip
    return Proposal(challenger, held.champion, decision, tuple(notes))


def _abandoned_notes(session: Session, model: str, *, limit_s: float) -> list[str]:
    """Return a line for each promotion that was abandoned; refuse to go on while one is running."""
    left = abandoned_entries(session, model, limit_s=limit_s)
    return [f"{entry.words} was abandoned" for entry in left]


def settle(
    session: Session, proposal: Proposal, options: PromoteOptions, params: Params
) -> PromotionResult:
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
        number = add_entry(session, model, _draft(proposal, options), state=REFUSED).number
        notes.append(f"{model}: version {version} is refused: {'; '.join(decision.reasons)}")
    else:
        limit_s = 60 * params.promote.abandoned_minutes
        mine = _move(session, model, _draft(proposal, options), limit_s=limit_s)
        moved, number = True, mine.number
        notes.append(f"{model}: {_moved_words(mine)}")
    return PromotionResult(model, moved, proposal.champion, version, decision, number, tuple(notes))


def history(*, model: str | None = None, params: Path = Path("params.yaml")) -> list[LedgerEntry]:
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
    target = find_address()
    with store_errors(target, changes=changes):
        yield connect(target, params.publish.experiment)


def _check_prepared(folder: Path) -> None:
    """Check that the checkout holds the test split.

    Raises:
        DataError: the checkout does not hold it.
    """
    if not (folder / "manifest.csv").is_file():
        raise DataError(
            f"{folder}: this checkout does not hold the test split that is scored on. After a run on workers: "
            "`python -m pipelines.fetch_run RUN`, then `dvc checkout` (`dvc pull` where there is a remote), or run "
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
        "promote", proposal.champion, proposal.challenger.number, options.reason, text,
        decision.to_json(), tags,
    )  # fmt: skip


def _move(session: Session, model: str, draft: Draft, *, limit_s: float) -> LedgerEntry:
    """Claim the move, make it, and return the entry, which is done."""
    mine = claim(session, model, draft, limit_s=limit_s)
    move_aliases(session, mine)
    close_entry(session, mine, DONE)
    return mine


def _moved_words(mine: LedgerEntry) -> str:
    before = f", before it was version {mine.champion}" if mine.champion else ", the first"
    return f"champion is version {mine.to}{before} ({mine.name})"
