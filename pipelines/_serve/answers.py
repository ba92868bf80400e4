"""What the HTTP interface answers: a label map as PNG or JSON, models, and errors of one line."""

import base64
import logging
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ocrnet.data.decode import write_label_map
from ocrnet.data.manifest import ClassTable
from ocrnet.errors import DataError
from ocrnet.errors.machine import machine_error
from ocrnet.predict_files.segmentation import Segmentation, class_areas
from pipelines._serve.models import BusyError, ServedModel

logger = logging.getLogger(__name__)
PNG, JSON = "image/png", "application/json"
TOO_LARGE = "E124"  # the finding of too many pixels


class RefusedError(Exception):
    """A request that is refused.

    Attributes:
        status: HTTP status.
        words: What was found, and the cure, in one line.
    """

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


def wanted_form(request: Request) -> str:
    """Return the form of the answer that a request accepts.

    Raises:
        RefusedError: It accepts neither PNG nor JSON.
    """
    accepted = request.headers.get("accept", "*/*") or "*/*"
    for part in accepted.split(","):
        kind = part.partition(";")[0].strip().lower()
        if kind in (JSON, "application/*"):
            return JSON
        if kind in (PNG, "image/*", "*/*"):
            return PNG
    raise RefusedError(406, f"Accept: found {accepted[:80]!a}. Give {PNG} or {JSON}.")


def png_bytes(found: Segmentation, classes: ClassTable, folder: Path) -> bytes:
    """Return a label map as palette PNG, by way of a file in `folder`."""
    path = folder / "label_map.png"
    write_label_map(
        path, found.label_map, palette=classes.palette, ignore_index=classes.ignore_index
    )
    return path.read_bytes()


def answer(found: Segmentation, model: ServedModel, form: str, folder: Path) -> Response:
    """Return a prediction in one of the two forms."""
    classes = model.predictor.classes
    content = png_bytes(found, classes, folder)
    headers = {"X-Model": model.name.encode("ascii", "replace").decode()}
    if form == PNG:
        return Response(content, media_type=PNG, headers=headers)
    height, width = found.label_map.shape
    values = {
        "model": model.name,
        "height": height,
        "width": width,
        "confidence": round(found.mean_confidence, 6),
        "classes": [
            {
                "id": index,
                "name": area.name,
                "pixels": area.pixels,
                "share": round(area.share, 6),
                "confidence": None if area.confidence is None else round(area.confidence, 6),
            }
            for index, area in enumerate(class_areas(found, classes))
        ],
        "label_map": base64.b64encode(content).decode(),
    }
    return JSONResponse(values, headers=headers)


def model_facts(model: ServedModel) -> dict[str, Any]:
    """Return what a client may know about a model: no path of this machine."""
    segmenter, classes = model.predictor.segmenter, model.predictor.classes
    return {
        "model": model.name,
        "title": model.title,
        "weights_sha256": segmenter.weights_sha256,
        "max_pixels": segmenter.decoding.max_pixels,
        "ignore_index": classes.ignore_index,
        "classes": [
            {"id": index, "name": name, "color": "#{:02x}{:02x}{:02x}".format(*color)}
            for index, (name, color) in enumerate(
                zip(classes.class_names, classes.palette, strict=True)
            )
        ],
    }


def refusal(status: int, words: str, **headers: str) -> JSONResponse:
    """Return an error as JSON, in one line."""
    return JSONResponse({"error": " ".join(words.split())}, status_code=status, headers=headers)


def error_answer(error: Exception, path: Path | None = None) -> JSONResponse:
    """Return the answer to an error.

    Args:
        error: Error of a request.
        path: File of the image, whose name the answer does not show.
    """
    if isinstance(error, RefusedError):
        return refusal(error.status, error.words)
    if isinstance(error, BusyError):
        return refusal(503, str(error), **{"Retry-After": str(error.retry_after_s)})
    if isinstance(error, DataError):
        words = data_words(error, path)
        return refusal(413 if words.startswith(TOO_LARGE) else 400, words)
    if machine_error(error) is not None:
        logger.error("serve: %s", machine_error(error))
        return refusal(500, "the machine failed, such as by lack of memory. Send a smaller image.")
    logger.error("serve: a request failed", exc_info=error)
    return refusal(500, "an error of the server, which its log shows.")


def data_words(error: DataError, path: Path | None) -> str:
    """Return the message about an image without its path on this machine."""
    return str(error) if path is None else str(error).replace(str(path), "the image")
