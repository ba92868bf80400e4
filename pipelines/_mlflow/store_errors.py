"""Errors of a tracking store, each in one line with its cure."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ocrnet.errors import StoreError

from .address import StoreAddress
from .client import outages

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


@contextmanager
def store_errors(target: StoreAddress, *, changes: bool) -> Iterator[None]:
    """Turn the errors of a store inside the block into one line; refuse a store that cannot be reached.

    Args:
        target: Store.
        changes: Whether the block changes the store, so that an error may leave half a promotion.

    Raises:
        StoreError: MLflow is unreachable or refuses a call.
    """
    refusal = target.refusal()
    if refusal is not None:
        raise StoreError(f"{target.shown}: {refusal}. Nothing was changed.")
    if _is_foreign(target.sqlite_file):  # MLflow would retry for a minute
        raise StoreError(f"{target.shown}: file is not a database. {CURES['not a database']}")
    try:
        yield
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


def _store_words(target: StoreAddress, error: Exception, *, changes: bool) -> str:
    text = target.redact(str(error))
    found = f"{target.shown}: {text[:300]}."
    cure = next((cure for part, cure in CURES.items() if part in text.lower()), "")
    if cure:
        return f"{found} {cure.format(uri=target.shown)}"
    return (
        f"{found} `python -m pipelines.ledger` shows how far the promotion came."
        if changes
        else found
    )
