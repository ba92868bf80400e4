"""A worker polls an unreachable server forever, and stops only at an answer that waiting does not change."""

import asyncio
from typing import Any

import httpx
import pytest
from prefect.logging.handlers import APILogWorker

from pipelines.flows import reconnect
from pipelines.flows.reconnect import be_patient, keep_lines, poll_forever

REQUEST = httpx.Request("GET", "http://127.0.0.1")


class Server:
    """Answers with what it is given, one after the other, then with a stop."""

    def __init__(self, *answers: "Exception | None") -> None:
        self.answers = list(answers)

    async def __call__(self) -> None:
        """Answer."""
        if not self.answers:
            raise EOFError
        answer = self.answers.pop(0)
        if answer:
            raise answer


def status(code: int) -> httpx.HTTPStatusError:
    return httpx.HTTPStatusError("", request=REQUEST, response=httpx.Response(code))


def test_an_unreachable_server_is_polled_until_it_is_back() -> None:
    server = Server(*[httpx.ConnectError("refused")] * 20, status(503), None)
    with pytest.raises(EOFError):
        asyncio.run(poll_forever(server, 0.0, jitter_range=0.3, backoff=4))
    assert server.answers == []


def test_an_answer_that_refuses_is_not_asked_for_again() -> None:
    server = Server(None, status(401), None)
    with pytest.raises(httpx.HTTPStatusError):
        asyncio.run(poll_forever(server, 0.0))
    assert server.answers == [None]


def test_the_loops_of_workers_and_observers_are_the_patient_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from prefect._internal import observers
    from prefect.workers import base

    name = "critical_service_loop"
    for module in (base, observers):
        monkeypatch.setattr(module, name, getattr(module, name))
    be_patient()
    assert [getattr(module, name) for module in (base, observers)] == [poll_forever] * 2


class Client:
    """Takes log lines as a server answers."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.taken: list[dict[str, Any]] = []

    async def create_logs(self, lines: list[dict[str, Any]]) -> None:
        """Take the lines, or fail."""
        await self.server()
        self.taken += lines


def send(*answers: Exception | None) -> list[dict[str, Any]]:
    """Return the lines that arrive of a batch of one."""
    keep_lines()
    service = APILogWorker.__new__(APILogWorker)
    service._client = Client(Server(*answers))  # type: ignore[assignment]
    asyncio.run(service._handle_batch([{"message": "step 1/12"}]))
    return service._client.taken  # type: ignore[attr-defined, no-any-return]


def test_lines_of_a_run_arrive_once_the_server_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnect, "SLOWEST_S", 0.0)
    away = httpx.ConnectError("refused")
    assert send(away, away, status(503), None) == [{"message": "step 1/12"}]


def test_lines_that_the_server_refuses_are_told_of_and_not_sent_for_ever(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert send(status(413), status(413)) == []
    assert "Error logging to API" in capsys.readouterr().err
