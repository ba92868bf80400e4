"""What a worker's terminal shows of an unreachable server."""

import logging

import pytest
from prefect.exceptions import FailedRun

from pipelines.flows.connection_log import OneLine


def say(only: OneLine, error: Exception, name: str = "prefect.events") -> logging.LogRecord | None:
    try:
        raise error
    except Exception as raised:
        found = (type(raised), raised, raised.__traceback__)
    record = logging.LogRecord(name, logging.ERROR, "", 1, "Service %s failed", ("x",), found)
    return record if only.filter(record) else None


@pytest.mark.parametrize("name", ["prefect.events", "asyncio", "websockets.client"])
def test_a_connection_that_is_lost_is_one_line_and_not_said_again_at_once(name: str) -> None:
    only = OneLine()
    record = say(only, ConnectionRefusedError("port 4200"), name)
    assert record is not None
    assert "unreachable" in record.getMessage()
    assert "port 4200" in record.getMessage()
    assert record.exc_info is None
    assert say(only, ConnectionResetError()) is None


@pytest.mark.parametrize("name", ["prefect.worker", "ocrnet"])
def test_a_bug_keeps_its_traceback(name: str) -> None:
    record = say(OneLine(), KeyError("bug"), name)
    assert record is not None
    assert record.exc_info


def test_a_run_that_failed_has_said_why_and_needs_no_traceback_of_prefect() -> None:
    assert say(OneLine(), FailedRun("exit code 3"), "prefect.flow_runs") is None


def test_what_others_log_of_their_connections_is_theirs() -> None:
    record = say(OneLine(), ConnectionRefusedError(), "mlflow")
    assert record is not None
    assert record.exc_info
