"""The test images of a model: those that it gets wrong most come first."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
import numpy.typing as npt
from PIL import Image

from ocrnet.data.decode import write_image
from ocrnet.data.manifest import MANIFEST_FILE, ClassTable
from ocrnet.errors import DataError
from ocrnet.evaluation.scored_split import TestSplit, read_test_split
from ocrnet.metrics import confusion_matrix, per_class_iou
from pipelines._serve.evaluations import Evaluation, Known
from pipelines._serve.models import ServedModel
from pipelines._serve.pictures import fitted, picture_file, shown_size

SMALL_SIDE = 320  # pixels of a picture in the gallery
FAINT, WRONG = 90, (230, 30, 30)
OVERLAY = "overlay"

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Shown:
    """A test image with truth and prediction, as files.

    Args:
        name: Id of the image.
        truth: Overlay of the true label map.
        predicted: Overlay of the predicted label map.
        wrong: Wrong pixels in red over the grey image.
        iou: IoU of each class in this image, by the page; nan if the truth does not show the class.
    """

    name: str
    truth: str
    predicted: str
    wrong: str
    iou: tuple[float, ...]


class ScoredImages:
    """The test images of a model, worst first.

    Args:
        model: Model of the server.
        known: What is known about the model.
        prepared: Prepared set with the test images; it may be missing.
        folder: Folder for pictures.

    Attributes:
        evaluation: Scores of the model; None if its images cannot be shown.
        fault: Why they cannot; empty if they can.
    """

    def __init__(self, model: ServedModel, known: Known, prepared: Path, folder: Path) -> None:
        self.model = model
        self.evaluation: Evaluation | None = None
        self.fault = known.fault
        self._folder = folder
        self._split: TestSplit | None = None
        if known.evaluation is not None:
            self._split, self.fault = _split_of(known.evaluation, prepared)
            if self._split is not None:
                self.evaluation = known.evaluation

    @property
    def scores(self) -> list[tuple[str, float]]:
        """Id and mIoU of each image, worst first."""
        return [] if self.evaluation is None else list(self.evaluation.images.items())

    def small(self, name: str) -> str:
        """Return a small picture of a test image.

        Raises:
            DataError: There is no such image, or its file is damaged.
        """
        path = self._place(name) / "small.png"
        if not path.is_file():
            image, _ = self._read(name)
            factor = min(1.0, SMALL_SIDE / max(image.shape[:2]))
            size = (max(1, round(image.shape[0] * factor)), max(1, round(image.shape[1] * factor)))
            _write(path, fitted(image, size, Image.Resampling.BILINEAR))
        return str(path)

    def show(self, name: str) -> Shown:
        """Return a test image beside its truth and its prediction.

        Raises:
            BusyError: The queue of the model is full.
            DataError: There is no such image, or its file is damaged.
        """
        image, truth = self._read(name)
        predicted = self.model.label_map(image)
        classes, place = self.model.predictor.classes, self._place(name)
        counts = confusion_matrix(
            predicted, truth, num_classes=classes.num_classes, ignore_index=classes.ignore_index
        )
        wrong = place / "wrong.png"
        if not wrong.is_file():
            _write(wrong, wrong_pixels(image, truth, predicted, classes))
        return Shown(
            name,
            picture_file(place / "truth", image, truth, classes, OVERLAY),
            picture_file(place / "predicted", image, predicted, classes, OVERLAY),
            str(wrong),
            tuple(float(value) for value in per_class_iou(counts)),
        )

    def _read(self, name: str) -> tuple[Pixels, Pixels]:
        if self._split is None or name not in (ids := self._split.ids):
            raise DataError(f"{name[:80]}: no test image has this id.")
        return next(self._split.images([ids.index(name)]))

    def _place(self, name: str) -> Path:
        key = hashlib.sha256(f"{self.model.name}\n{name}".encode()).hexdigest()
        place = self._folder / key
        for part in ("truth", "predicted"):
            (place / part).mkdir(parents=True, exist_ok=True)
        return place


def wrong_pixels(image: Pixels, truth: Pixels, predicted: Pixels, classes: ClassTable) -> Pixels:
    """Return the grey image (H, W, 3), faint, with wrong pixels in red; ignored pixels are never wrong."""
    size = shown_size(image.shape[0], image.shape[1])
    wrong = ((predicted != truth) & (truth != classes.ignore_index)).astype(np.uint8)
    grey = fitted(image, size, Image.Resampling.BILINEAR).mean(axis=2, dtype=np.float32)
    faint = (FAINT + (255 - FAINT) * grey / 255).astype(np.uint8)
    shown: Pixels = np.repeat(faint[..., None], 3, axis=2)
    shown[fitted(wrong, size, Image.Resampling.NEAREST) == 1] = WRONG
    return shown


def gallery_of(
    models: Sequence[ServedModel], known: Sequence[Known], data: Path, folder: Path
) -> dict[str, ScoredImages]:
    """Return the test images of each model of a server, by the model's name."""
    return {
        model.name: ScoredImages(model, facts, data / "prepare", folder)
        for model, facts in zip(models, known, strict=True)
    }


def _split_of(evaluation: Evaluation, prepared: Path) -> tuple[TestSplit | None, str]:
    """Return the test split that was scored; None and the reason if it is not there."""
    if not (prepared / MANIFEST_FILE).is_file():
        return None, f"{prepared} has no test images. Give --data FOLDER, or run `dvc repro`."
    try:
        split = read_test_split(prepared)
    except DataError as error:
        return None, str(error)
    if split.sha256 != evaluation.test_sha256:
        return None, f"{prepared} has another test split than the scores in {evaluation.place}."
    return split, ""


def _write(path: Path, pixels: Pixels) -> None:
    """Write a picture at once, since a browser may be reading it."""
    partial = path.with_name(f"{uuid4().hex}.png")
    write_image(partial, pixels)
    partial.replace(path)
