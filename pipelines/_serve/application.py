"""The application: the interface and the page behind the guard."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from starlette.applications import Starlette
from starlette.types import ASGIApp

from pipelines._serve.access import Access
from pipelines._serve.api import Api
from pipelines._serve.edits import Edits
from pipelines._serve.guard import Guard
from pipelines._serve.models import ServedModel
from pipelines._serve.page import mount_page


def build_application(
    models: Sequence[ServedModel],
    *,
    access: Access,
    folder: Path,
    max_bytes: int,
    edits: Edits | None = None,
) -> ASGIApp:
    """Return the application of a server.

    Args:
        models: Models, one or more.
        access: Password of the server.
        folder: Folder for the files of requests and of the page, resolved.
        max_bytes: Most bytes of an image file.
        edits: Edits by a GAN; None: the page has no editor.
    """
    # Gradio decodes what its editor sends. Pillow refuses an image of twice this size by its header.
    largest = max(model.predictor.segmenter.decoding.max_pixels for model in models)
    Image.MAX_IMAGE_PIXELS = largest
    app = Starlette(routes=Api(models, folder, max_bytes=max_bytes).routes)
    mount_page(app, models, folder=folder, max_bytes=max_bytes, edits=edits)
    return Guard(app, access=access, folder=folder, max_bytes=max_bytes)
