"""What a store of MLflow holds, read with plain SQL: not by the code under test."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Run:
    """One run as the store has it."""

    id: str
    name: str
    status: str
    params: dict[str, str]
    tags: dict[str, str]
    points: list[tuple[str, int, float]]
    times: list[int]

    def series(self, name: str) -> list[tuple[int, float]]:
        """Return the points of one metric by step."""
        return sorted((step, value) for metric, step, value in self.points if metric == name)


def copy_empty_store(factory: pytest.TempPathFactory, file: Path) -> None:
    """Make an empty store at `file`: a copy of one that is made once, which takes ten seconds."""
    made = factory.getbasetemp() / "empty.db"
    if not made.is_file():
        from mlflow import MlflowClient

        MlflowClient(f"sqlite:///{made}").search_experiments()
    shutil.copy(made, file)


class Store:
    """A store in a sqlite file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def runs(self, name: str | None = None) -> list[Run]:
        """Return all runs, or those of a stage."""
        rows = self.query("SELECT run_uuid, name, status FROM runs ORDER BY start_time")
        return [self._run(*row) for row in rows if name in (None, row[1])]

    def run(self, name: str) -> Run:
        """Return the one run of a stage."""
        (found,) = self.runs(name)
        return found

    def query(self, statement: str, *values: str) -> list[tuple[Any, ...]]:
        """Return the rows of a statement; none before the store is made."""
        if not self._file.is_file():
            return []
        with closing(sqlite3.connect(self._file, timeout=30)) as store:
            if not store.execute("SELECT * FROM sqlite_master WHERE name = 'metrics'").fetchone():
                return []  # being made just now
            return store.execute(statement, values).fetchall()

    def _run(self, run: str, name: str, status: str) -> Run:
        points = self.query(
            "SELECT key, step, value, timestamp FROM metrics WHERE run_uuid = ?", run
        )
        return Run(
            run,
            name,
            status,
            dict(self.query("SELECT key, value FROM params WHERE run_uuid = ?", run)),
            dict(self.query("SELECT key, value FROM tags WHERE run_uuid = ?", run)),
            [(key, step, value) for key, step, value, _ in points],
            [timestamp for _, _, _, timestamp in points],
        )
