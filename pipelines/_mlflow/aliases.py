"""The aliases of a registered model: which version is in force, which was before, which asks to be next.

MLflow moves one alias at a time, without history and without looking at what it was: `promotions` and `tickets` add
both.
"""

from dataclasses import dataclass

from ocrnet.errors import DataError

from .client import Session
from .ledger import ALIAS as CHALLENGER

CHAMPION = "champion"
PREVIOUS = "previous"


@dataclass(frozen=True)
class Aliases:
    """The version under each alias, None where there is none."""

    champion: str | None
    previous: str | None
    challenger: str | None


def read_aliases(session: Session, model: str) -> Aliases:
    """Return who holds which alias now.

    Raises:
        DataError: there is no such model.
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


def set_alias(session: Session, model: str, alias: str, version: str | None) -> None:
    """Point an alias at a version, or take it away."""
    if version is None:
        session.client.delete_registered_model_alias(model, alias)
    else:
        session.client.set_registered_model_alias(model, alias, version)
