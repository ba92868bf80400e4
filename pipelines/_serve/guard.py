"""What stands in front of page and interface: the password, and a list of the requests that the page needs.

Gradio has more routes than the page uses; some read files of the server, fetch addresses, or change the page's code.
Whatever is not listed here is answered as not found. Files are served and accepted only below one temporary folder,
which holds what was uploaded and computed.
"""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipelines._serve.access import Access
from pipelines._serve.answers import refusal
from pipelines._serve.quota import Quota

API = "/gradio_api"
FILE = f"{API}/file="
OPEN = "/health"  # needs no password
READ = {
    "/", "/models", OPEN, "/config", "/theme.css", "/favicon.ico", f"{API}/queue/data", f"{API}/upload_progress",
    f"{API}/info", f"{API}/startup-events", f"{API}/theme.css",
}  # fmt: skip
READ_BELOW = ("/assets/", "/static/", f"{API}/heartbeat/", FILE)
JOIN = f"{API}/queue/join"
UPLOAD = f"{API}/upload"
WRITE = {"/predict", JOIN, UPLOAD, f"{API}/cancel", f"{API}/reset"}
EVENT_BYTES = 1 << 20  # of an event of the page: names and settings, no pixels
UPLOADED_AT_ONCE = 32  # images of the largest size
FORM_BYTES = 4096  # around each uploaded file
HEADERS = {
    # The browser itself fetches nothing from another host.
    b"content-security-policy": b"default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
}


class Guard:
    """An application that refuses what is not meant for the page or the interface.

    Args:
        app: Application behind it.
        access: Password of the server.
        folder: Folder of the files that may be served, resolved.
        max_bytes: Most bytes of an image file.
        quota: Limit on the bytes of all files in the folder.
    """

    def __init__(
        self, app: ASGIApp, *, access: Access, folder: Path, max_bytes: int, quota: Quota
    ) -> None:
        self._app = app
        self._quota = quota
        self._access = access
        self._folder = folder
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # no web sockets: the server closes the connection
        headers = Headers(scope=scope)
        refused = self._refused(scope["method"], scope["path"], headers)
        if refused is None and scope["path"] == JOIN:
            body = await _read(receive)
            refused = self._refused_event(body)
            await asyncio.to_thread(self._quota.make_room, 0)  # the event may write pictures
            receive = _again(body, receive)
        if refused is None and scope["path"] == UPLOAD:
            refused = await self._without_room(int(headers["content-length"]))
        if refused is not None:
            status, words = refused
            extra = {"WWW-Authenticate": 'Basic realm="ocrnet serve"'} if status == 401 else {}
            await refusal(status, words, **extra)(scope, receive, _sealed(send))
            return
        await self._app(scope, receive, _sealed(send))

    def _refused(self, method: str, path: str, headers: Headers) -> tuple[int, str] | None:
        """Return status and words of a refusal by the head of a request."""
        host = headers.get("host", "")
        if not self._access.is_own_name(host):
            return 421, f"Host: found {host[:80]!a}. Use 127.0.0.1 or localhost."
        if path != OPEN and not self._access.allows(headers.get("authorization")):
            return 401, "the password is missing or wrong. Send it as Bearer, or as Basic."
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            return (
                403,
                f"Origin: found {origin[:80]!a}. Pages of other sites may not use this server.",
            )
        if not self._is_listed(method, path):
            return self._not_listed(method, path)
        return self._too_long(path, headers) if method == "POST" else None

    def _not_listed(self, method: str, path: str) -> tuple[int, str]:
        if path in READ | WRITE:
            return 405, f"{path}: found {method[:20]!a}. Use {'POST' if path in WRITE else 'GET'}."
        return 404, "no such address. There are /predict, /models and /health, and the page /."

    def _is_listed(self, method: str, path: str) -> bool:
        if ".." in path.split("/") or "\\" in path:
            return False
        if path.startswith(FILE):
            return method in ("GET", "HEAD") and self._is_served(path.removeprefix(FILE))
        if method in ("GET", "HEAD"):
            return path in READ or path.startswith(READ_BELOW)
        return method == "POST" and path in WRITE

    def _is_served(self, name: str) -> bool:
        """Tell whether a path is one of a file below the folder, also after links in it are followed."""
        try:
            return Path(name).is_absolute() and Path(name).resolve().is_relative_to(self._folder)
        except (OSError, ValueError, RuntimeError):
            return False

    def _too_long(self, path: str, headers: Headers) -> tuple[int, str] | None:
        if path == "/predict":
            return None  # counts its bytes, which may come without a length
        length = headers.get("content-length", "")
        if not length.isdecimal():
            return 411, "Content-Length is missing. Send it."
        limit = EVENT_BYTES
        if path == UPLOAD:
            limit = min(self._quota.limit, UPLOADED_AT_ONCE * (self._max_bytes + FORM_BYTES))
        if int(length) > limit:
            return 413, f"the body has {length} bytes, allowed are {limit}. Send less at once."
        return None

    async def _without_room(self, coming: int) -> tuple[int, str] | None:
        """Make room for an upload; return a refusal if the files of the last seconds leave none."""
        if await asyncio.to_thread(self._quota.make_room, coming):
            return None
        return (
            507,
            f"the server keeps {self._quota.limit} bytes, and others have just sent theirs. Try again in 10 s.",
        )

    def _refused_event(self, body: bytes) -> tuple[int, str] | None:
        """Return a refusal of an event of the page that names a file which was not uploaded."""
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            return 400, "the event is no JSON. Use the page."
        if all(isinstance(one, str) and self._is_served(one) for one in _paths(content)):
            return None
        return 403, "the event names a file that was not uploaded here. Use the page."


def _paths(content: Any) -> Iterator[Any]:
    """Return the paths of all files in the content of an event."""
    waiting = [content]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield from (value for name, value in item.items() if name == "path" and value)
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item


async def _read(receive: Receive) -> bytes:
    """Return a body, whose length the head of the request has limited."""
    parts = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a function that gives a body that was read, and then what follows it."""
    given = False

    async def next_message() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return next_message


def _sealed(send: Send) -> Send:
    """Return a function that adds the headers of every answer."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *HEADERS.items()]}
        await send(message)

    return send_with_headers
