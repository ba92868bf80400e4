"""The place of a local store's artifacts: MLflow keeps an absolute path, which is wrong after a move or a copy."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ocrnet.errors import StoreError

from .address import StoreAddress

ARTIFACTS = Path("mlartifacts")  # of a local store
COLUMNS = (
    ("experiments", "artifact_location"), ("runs", "artifact_uri"), ("logged_models", "artifact_location"),
    ("model_versions", "source"), ("model_versions", "storage_location"), ("tags", "value"),
)  # fmt: skip


def check_place(target: StoreAddress, location: str) -> None:
    """Refuse an experiment whose artifacts are in another checkout: they would be read and written there.

    Args:
        target: Store that names the location.
        location: Address or path of an experiment's artifacts.

    Raises:
        StoreError: this checkout was moved or copied since the experiment was made.
    """
    path = _local_path(location)
    if path is None:
        return
    if target.is_http:
        if path.exists() or path.parent.is_dir():
            return
        raise StoreError(
            f"{target.shown}: its artifacts lie in {path}, which this machine does not have. Where the checkout of the "
            "server was moved, run `python -m pipelines.relocate` there."
        )
    file = target.sqlite_file
    is_own = file is not None and file.resolve().parent == Path.cwd().resolve()
    if is_own and path.name == ARTIFACTS.name and path.resolve() != ARTIFACTS.resolve():
        raise StoreError(
            f"{target.shown}: its artifacts lie in {path}, but this checkout is {Path.cwd()}: it was moved or copied. "
            "Run `python -m pipelines.relocate` to use those in this checkout."
        )


def check_store(target: StoreAddress) -> None:
    """Refuse a local store with artifacts of an experiment in another checkout.

    Raises:
        StoreError: this checkout was moved or copied since an experiment was made.
    """
    file = target.sqlite_file
    if file is not None and file.is_file():
        for location in _locations(file):
            check_place(target, location)


def relocate(file: Path, artifacts: Path) -> dict[str, int]:
    """Let a local store name the artifacts of this checkout, and return the number of changed entries by old place.

    Args:
        file: File of the store.
        artifacts: Folder of the artifacts in this checkout.

    Raises:
        StoreError: there is no store, it is in use, or the artifacts are not here.
    """
    if not file.is_file():
        raise StoreError(f"{file}: no such store. Run this in the checkout that holds it.")
    here = artifacts.resolve()
    changed: dict[str, int] = {}
    try:
        with closing(sqlite3.connect(file, timeout=10)) as store, store:
            store.execute("BEGIN IMMEDIATE")
            for location in _locations(file):
                old = _local_path(location)
                if old is None or old.name != ARTIFACTS.name or old.resolve() == here:
                    continue
                missing = [
                    run for run in _runs_with_artifacts(store, old) if not (here / run).exists()
                ]
                if missing:
                    raise StoreError(
                        f"{here}: lacks {missing[0]} and {len(missing) - 1} more that {old} held. Move or copy that "
                        "folder here, too. Nothing was changed."
                    )
                changed[str(old)] = _rewrite(store, old, here)
    except sqlite3.Error as error:
        raise StoreError(f"{file}: {error}. Nothing was changed; end what uses it.") from None
    return changed


def _rewrite(store: sqlite3.Connection, old: Path, new: Path) -> int:
    """Replace the old folder at the start of every place by the new one, as an address and as a path."""
    count = 0
    for table, column in COLUMNS:
        for before, after in ((old.as_uri(), new.as_uri()), (str(old), str(new))):
            where = f"{column} = ? OR substr({column}, 1, ?) = ?"
            text = f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE {where}"
            values = (after, len(before) + 1, before, len(before) + 1, f"{before}/")
            count += store.execute(text, values).rowcount
    return count


def _runs_with_artifacts(store: sqlite3.Connection, old: Path) -> list[str]:
    """Return the folders of the runs whose artifacts are in the old folder, relative to it."""
    place = old.as_uri()
    rows = store.execute(
        "SELECT artifact_uri FROM runs WHERE substr(artifact_uri, 1, ?) = ?",
        (len(place) + 1, f"{place}/"),
    )
    return [uri[len(place) + 1 :].removesuffix("/artifacts") for (uri,) in rows]


def _locations(file: Path) -> Iterator[str]:
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as store:
            rows = store.execute("SELECT DISTINCT artifact_location FROM experiments").fetchall()
    except sqlite3.Error:
        return  # MLflow reports what is wrong with the store
    yield from (str(location) for (location,) in rows if location)


def _local_path(location: str) -> Path | None:
    parts = urlsplit(location)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(location) if location.startswith("/") else None
