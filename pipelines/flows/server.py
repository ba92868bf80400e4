"""The Prefect server of one machine, closed to web pages: `python -m pipelines.flows.server PORT`.

By itself Prefect answers every origin and ignores the Host header: a page open in a browser could reach it. The
password, which `pipelines.servers` sets, keeps out other users of the machine.
"""

import sys

import uvicorn
from prefect.server.api.server import create_app
from starlette.datastructures import Headers
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from pipelines._servers.access import HOST, NAMES, allowed_origins


class RefuseForeignOrigins:
    """Middleware that refuses requests and websockets of a page of another origin.

    Args:
        app: Application that the middleware protects.
        origins: Allowed origins; a request without an origin passes.
    """

    def __init__(self, app: ASGIApp, *, origins: "frozenset[str]") -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] in ("http", "websocket"):
            origin = Headers(scope=scope).get("origin")
            if origin is not None and origin not in self._origins:
                refusal = PlainTextResponse(f"origin {origin!r} is not allowed", status_code=403)
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


def main() -> int:
    """Run the server until a signal stops it and return the exit code."""
    port = int(sys.argv[1])
    app = create_app(final=True)
    app.add_middleware(RefuseForeignOrigins, origins=frozenset(allowed_origins(port)))
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(NAMES), www_redirect=False)
    uvicorn.run(
        app, host=HOST, port=port, log_level="warning", ws_ping_interval=20.0, ws_ping_timeout=20.0
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
