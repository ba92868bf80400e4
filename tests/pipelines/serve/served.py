"""Servers for tests: the command itself, on a free port, with tiny models."""

import http.client
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from tests.pipelines.local_servers import QUIET, running, wait_for

ROOT = Path(__file__).parents[3]
ADDRESS = re.compile(r"serve: (http://\S+)")
PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Args:
        address: Its address, such as http://127.0.0.1:41234.
        pid: Id of its process.
        log: What it told.
    """

    address: str
    pid: int
    log: Path

    @property
    def port(self) -> int:
        return int(urlsplit(self.address).port or 0)


@dataclass(frozen=True)
class Answer:
    """An answer over HTTP."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def error(self) -> str:
        """The message of an error, which has one line and shows no code of the server."""
        text = str(self.json["error"])
        assert set(self.json) == {"error"}
        assert len(text.splitlines()) == 1
        assert "Traceback" not in text
        assert "/tmp" not in text
        return text


@contextmanager
def served(folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Run `ocrnet serve` on a free port.

    Args:
        folder: Folder for its log and its temporary files.
        arguments: Further arguments.
        env: Further variables.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "serve.log"
    command = [sys.executable, "-m", "pipelines.cli", "serve", "--port", "0", "--device", "cpu"]
    variables = {**os.environ, **QUIET, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
    with running([*command, *arguments], log, env={**variables, **(env or {})}) as process:
        wait_for(lambda: ADDRESS.search(log.read_text()) is not None, process, log)
        found = ADDRESS.search(log.read_text())
        assert found is not None
        server = Server(found[1], process.pid, log)
        wait_for(lambda: ask(server, "GET", "/health").status == 200, process, log)
        yield server


def ask(server: Server, method: str, target: str, body: Any = None, **headers: str) -> Answer:
    """Send a request as it stands, and return the answer; status 0 where nothing answers.

    Args:
        server: Server that is asked.
        method: GET, POST or another.
        target: Path and query.
        body: Bytes, or an iterable of bytes that is sent in chunks without a length.
        headers: Headers, with _ in place of -.
    """
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, target, body, named)
        found = connection.getresponse()
        content = found.read()
        return Answer(found.status, {k.lower(): v for k, v in found.getheaders()}, content)
    except OSError:
        return Answer(0, {}, b"")
    finally:
        connection.close()


def blobs(seed: int, size: tuple[int, int]) -> np.ndarray:
    """Return a smooth image (H, W, 3) of colours."""
    noise = np.random.default_rng(seed).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return np.array(Image.fromarray(noise).resize((size[1], size[0]), Image.Resampling.BICUBIC))
