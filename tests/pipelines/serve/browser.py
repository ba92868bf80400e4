"""A headless Chromium that opens the page of a server, and remembers whom it asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Page, Request, sync_playwright

from tests.pipelines.local_servers import find_command

from .served import Server

HANG_MS = 300_000.0  # a busy machine needs a minute for what takes a second


@dataclass
class Tab:
    """A page in the browser.

    Attributes:
        page: The page.
        hosts: Hosts with ports that it asked.
        faults: What its console told about fetches that were refused or failed, and errors of its code.
    """

    page: Page
    hosts: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    def note_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob"):
            self.hosts.add(parts.netloc)

    def note_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(message.text)


@contextmanager
def opened(server: Server, *, password: str | None = None) -> Iterator[Tab]:
    """Open the page of a server; skip the test where this machine has no Chromium."""
    binary = find_command("chromium", "chromium")
    with sync_playwright() as tool:
        # Without a sandbox: tests may run as root, where Chromium has none.
        browser = tool.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        try:
            known = {"username": "ann", "password": password} if password else None
            context = browser.new_context(
                viewport={"width": 1280, "height": 900}, http_credentials=known
            )
            context.set_default_timeout(HANG_MS)
            tab = Tab(context.new_page())
            tab.page.on("request", tab.note_request)
            tab.page.on("console", tab.note_console)
            tab.page.on("pageerror", lambda error: tab.faults.append(str(error)))
            tab.page.goto(server.address)
            yield tab
        finally:
            browser.close()
