"""The aliases of a registered model: the champion, the champion before it, and the challenger.

MLflow moves one alias at a time, keeps no history and does not compare with the old value: the ledger adds both.
"""

from dataclasses import dataclass

from ocrnet.config.evaluation import METRICS
from ocrnet.errors import DataError, GateError

from .client import Session
from .promotion_ledger import OPEN, REFUSED, LedgerEntry, close_entry, read_entry, utc_now
from .sent_record import ALIAS as CHALLENGER

CHAMPION = "champion"
PREVIOUS = "previous"


@dataclass(frozen=True)
class Aliases:
    """The version under each alias, None where there is none."""

    champion: str | None
    previous: str | None
    challenger: str | None


def read_aliases(session: Session, model: str) -> Aliases:
    """Return the present version under each alias.

    Raises:
        DataError: The registry does not have the model.
    """
    from mlflow.exceptions import MlflowException

    try:
        found = session.client.get_registered_model(model).aliases
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise DataError(
            f"{model}: no such model in {session.target.shown}. Run `python -m pipelines.publish` after `dvc repro`."
        ) from None
    held = {name: str(version) for name, version in found.items()}
    return Aliases(held.get(CHAMPION), held.get(PREVIOUS), held.get(CHALLENGER))


def move_aliases(session: Session, mine: LedgerEntry) -> None:
    """Move `previous`, then `champion`, so that the champion is valid at every moment, and tag the new champion.

    Args:
        session: Store of the registry.
        mine: Open entry of the ledger, whose claim is the first.

    Raises:
        GateError: The champion is not the one that the entry was made for, or the entry is no longer open.
    """
    model, found = mine.model, read_aliases(session, mine.model).champion
    if found != mine.champion:
        reason = (
            f"champion is version {found} now and was {mine.champion} when this was decided. Run it again: "
            "`python -m pipelines.ledger` shows who moved it."
        )
        close_entry(session, mine, REFUSED, reason)
        raise GateError(f"{model}: {reason}")
    if mine.champion is not None:
        session.client.set_registered_model_alias(model, PREVIOUS, mine.champion)
    if read_entry(session, mine).state != OPEN:
        raise GateError(
            f"{model}: {mine.name} took longer than promote.abandoned_minutes, and another promotion closed it. Run it "
            "again."
        )
    session.client.set_registered_model_alias(model, CHAMPION, str(mine.to))
    _tag_champion(session, mine)


def _tag_champion(session: Session, entry: LedgerEntry) -> None:
    """Tag the new champion with how it was promoted."""
    given = {
        "promoted.at": utc_now(), "promoted.by": entry.tags["by"], "promoted.from": entry.champion or "none",
        "promoted.entry": str(entry.number), "promoted.kind": entry.kind,
        "promoted.prefect.flow_run_id": entry.tags.get("prefect.flow_run_id", ""),
        **{f"promoted.{key}_difference": entry.tags.get(f"{key}_difference", "") for key in METRICS},
        "promoted.miou": entry.tags.get("miou", ""),
    }  # fmt: skip
    for name, value in given.items():
        if value:
            session.client.set_model_version_tag(entry.model, str(entry.to), name, value)
