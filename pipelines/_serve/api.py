"""The HTTP interface: `POST /predict`, `GET /models`, `GET /health`."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipelines._serve.answers import (
    RefusedError,
    answer,
    error_answer,
    model_facts,
    wanted_form,
)
from pipelines._serve.models import ServedModel

BODY_S = 60.0  # longest time in which the bytes of an image must arrive
GENERAL = "application/octet-stream"


class Api:
    """The routes of the HTTP interface.

    Args:
        models: Models; the first is the one that a request without a name gets.
        folder: Folder for the files of requests.
        max_bytes: Most bytes of an image file.
    """

    def __init__(self, models: Sequence[ServedModel], folder: Path, *, max_bytes: int) -> None:
        self._models = {model.name: model for model in models}
        self._first = models[0]
        self._folder = folder
        self._max_bytes = max_bytes

    @property
    def routes(self) -> list[Route]:
        """The routes."""
        return [
            Route("/predict", self.predict, methods=["POST"]),
            Route("/models", self.models, methods=["GET"]),
            Route("/health", self.health, methods=["GET"]),
        ]

    async def health(self, request: Request) -> Response:
        """Answer that the server runs."""
        return JSONResponse({"status": "ok"})

    async def models(self, request: Request) -> Response:
        """Answer with the models and their classes."""
        return JSONResponse([model_facts(model) for model in self._models.values()])

    async def predict(self, request: Request) -> Response:
        """Answer with the label map of the image in the body."""
        path: Path | None = None
        try:
            model, form = self._model(request), wanted_form(request)
            self._check_head(request)
            with (
                model.place(),
                tempfile.TemporaryDirectory(prefix="request-", dir=self._folder) as folder,
            ):
                path = Path(folder, "image")
                await self._receive(request, path)
                found = await asyncio.wrap_future(model.submit(path))
                return await asyncio.to_thread(answer, found, model, form, Path(folder))
        except Exception as error:
            return error_answer(error, path)

    def _model(self, request: Request) -> ServedModel:
        name = request.query_params.get("model")
        if name is None:
            return self._first
        if name not in self._models:
            raise RefusedError(
                404, f"model: found {name[:80]!a}. Known: {', '.join(self._models)}."
            )
        return self._models[name]

    def _check_head(self, request: Request) -> None:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not kind.startswith("image/") and kind != GENERAL:
            raise RefusedError(
                415,
                f"Content-Type: found {kind[:80]!a}. Send the bytes of an image file as the body, with image/png, "
                f"image/jpeg, image/tiff, image/bmp, image/webp or {GENERAL}.",
            )
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._max_bytes:
            raise self._too_long(int(length))

    async def _receive(self, request: Request, path: Path) -> None:
        """Write the body into a file, as it arrives."""
        size = 0
        try:
            async with asyncio.timeout(BODY_S):
                with path.open("wb") as file:
                    async for part in request.stream():
                        size += len(part)
                        if size > self._max_bytes:
                            raise self._too_long(size)
                        file.write(part)
        except TimeoutError:
            raise RefusedError(
                408, f"the body did not arrive within {BODY_S:g} s. Send a smaller file."
            ) from None
        except ClientDisconnect:
            raise RefusedError(400, "the connection ended before the body did.") from None
        if size == 0:
            raise RefusedError(
                400, "the body is empty. Send the bytes of an image file as the body."
            )

    def _too_long(self, size: int) -> RefusedError:
        return RefusedError(
            413,
            f"the body has {size} bytes or more, allowed are {self._max_bytes}. Send a smaller file, or start the "
            "server with a larger --max-mib.",
        )
