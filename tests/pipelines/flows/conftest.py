"""One Prefect server for all tests of a process."""

from collections.abc import Generator, Iterator
from contextlib import ExitStack

import pytest

from ..local_servers import HOST
from ..team_stack import run_postgres
from .server import Server
from .stack import Stack


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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to the report of a failure what the machines of the test and its server said."""
    report = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(stack, Stack):
        report.sections.append(("What the machines said", stack.story()))
    return report
