"""Promotion over an MLflow server."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from ocrnet.errors import StoreError
from pipelines._mlflow.promotion import rollback
from tests.limits import HANG_S

from .registered import (
    BASE,
    BETTER,
    Registry,
    promote_to,
)

pytestmark = [pytest.mark.tools, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def test_a_server_that_is_away_is_one_line(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ann:secret@127.0.0.1:9")
    with pytest.raises(StoreError, match="refused") as caught:
        promote_to(BASE)
    assert "secret" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_it_all_works_over_a_server(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    uri = f"http://127.0.0.1:{port}"
    environment = {**registry.workspace.environment, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (registry.folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [
                sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "2",
                "--backend-store-uri", registry.workspace.uri, "--artifacts-destination", "served",
            ],
            cwd=registry.folder, env={**environment, "MLFLOW_DISABLE_TELEMETRY": "true"}, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        wait_for(port)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        assert promote_to(BASE, first=True).moved
        assert promote_to(BETTER).moved
        assert registry.aliases == {"champion": BETTER, "previous": BASE}
        assert rollback().to == BASE
        assert registry.aliases == {"champion": BASE, "previous": BETTER}
        assert registry.states() == ["done"] * 3
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=HANG_S)


def wait_for(port: int) -> None:
    end = time.monotonic() + HANG_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < end, "the server did not start"
            time.sleep(0.2)
        else:
            return
