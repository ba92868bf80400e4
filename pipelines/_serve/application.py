"""The application: the interface and the page behind the guard."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from starlette.applications import Starlette
from starlette.types import ASGIApp

from pipelines._serve.access import Access
from pipelines._serve.api import Api
from pipelines._serve.cards import card_html
from pipelines._serve.edits import Edits
from pipelines._serve.evaluations import known_about
from pipelines._serve.guard import Guard
from pipelines._serve.models import ServedModel
from pipelines._serve.page import mount_page
from pipelines._serve.quota import Quota
from pipelines._serve.scored_images import gallery_of


def build_application(
    models: Sequence[ServedModel],
    *,
    access: Access,
    folder: Path,
    max_bytes: int,
    max_kept: int,
    data: Path,
    edits: Edits | None = None,
) -> ASGIApp:
    """Return the application of a server.

    Args:
        models: Models, one or more.
        access: Password of the server.
        folder: Folder for the files of requests and of the page, resolved.
        max_bytes: Most bytes of an image file.
        max_kept: Most bytes that all files of requests and of the page have together.
        data: Folder of the outputs of the stages, with test images and scores; it may be missing.
        edits: Edits by a GAN; None: the page has no editor.
    """
    # Gradio decodes what its editor sends. Pillow refuses an image of twice this size by its header.
    largest = max(model.predictor.segmenter.decoding.max_pixels for model in models)
    Image.MAX_IMAGE_PIXELS = largest
    app = Starlette(routes=Api(models, folder, max_bytes=max_bytes).routes)
    known = [known_about(model, data) for model in models]
    images = gallery_of(models, known, data, folder / "test_images")
    cards = {
        model.name: card_html(model, facts, data / "prepare")
        for model, facts in zip(models, known, strict=True)
    }
    mount_page(
        app, models, folder=folder, max_bytes=max_bytes, edits=edits, images=images, cards=cards
    )
    quota = Quota(folder, max_kept)
    return Guard(app, access=access, folder=folder, max_bytes=max_bytes, quota=quota)
