"""The application: the interface and the page behind the guard."""

from collections.abc import Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.types import ASGIApp

from pipelines._serve.access import Access
from pipelines._serve.api import Api
from pipelines._serve.guard import Guard
from pipelines._serve.models import ServedModel
from pipelines._serve.page import mount_page


def build_application(
    models: Sequence[ServedModel], *, access: Access, folder: Path, max_bytes: int
) -> ASGIApp:
    """Return the application of a server.

    Args:
        models: Models, one or more.
        access: Password of the server.
        folder: Folder for the files of requests and of the page, resolved.
        max_bytes: Most bytes of an image file.
    """
    app = Starlette(routes=Api(models, folder, max_bytes=max_bytes).routes)
    mount_page(app, models, folder=folder, max_bytes=max_bytes)
    return Guard(app, access=access, folder=folder, max_bytes=max_bytes)
