"""The aliases of a registered model: the champion, the champion before it, and the challenger.

MLflow moves one alias at a time, keeps no history and does not compare with the old value: `promotions` and `tickets`
add both.
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
    """Return the present version under each alias.

    Raises:
        DataError: the registry does not have the model.
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
    """Point an alias at a version, or delete it."""
    if version is None:
        session.client.delete_registered_model_alias(model, alias)
    else:
        session.client.set_registered_model_alias(model, alias, version)
