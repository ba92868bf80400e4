"""One Prefect server for all tests of a process."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from ..local_servers import HOST
from ..team_stack import run_postgres
from .server import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server on PostgreSQL, as a team's: a dozen workers on two cores lock each other out of SQLite."""
    root = tmp_path_factory.mktemp("prefect")
    with ExitStack() as ending:
        postgres = ending.enter_context(run_postgres(root))
        user = f"prefect:{postgres.passwords['prefect']}"
        found = Server(root, f"postgresql+asyncpg://{user}@{HOST}:{postgres.port}/prefect")
        ending.callback(found.stop)
        found.start()
        yield found
