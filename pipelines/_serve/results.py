"""Predictions of the page, kept as files for a while, so that another view of an image computes nothing."""

import hashlib
import json
import os
import shutil
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ocrnet.data.decode import read_label_map, write_label_map
from ocrnet.data.files import whole_file, write_whole
from ocrnet.data.manifest import ClassTable
from ocrnet.predict_files.segmentation import ClassArea, Segmentation, class_areas
from pipelines._serve.models import ServedModel

KEPT = 100  # predictions
KEPT_S = 3600.0
FACTS = "result.json"


@dataclass(frozen=True)
class Result:
    """A prediction.

    Args:
        path: Palette PNG of the label map.
        areas: Areas of the classes.
        confidence: Mean confidence, in [0, 1].
    """

    path: Path
    areas: tuple[ClassArea, ...]
    confidence: float

    @property
    def label_map(self) -> npt.NDArray[np.uint8]:
        """The class ids (H, W)."""
        return read_label_map(self.path)


class Results:
    """The predictions of a server.

    Args:
        folder: Folder for them; the oldest are deleted.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def find(self, model: ServedModel, image: Path) -> Result:
        """Return the prediction of an image file, and compute it if it is not there.

        Raises:
            BusyError: The queue of the model is full.
            DataError: The file cannot be decoded as the training images were.
        """
        key = hashlib.sha256(f"{model.name}\n{image}".encode()).hexdigest()
        place = self._folder / key
        if (place / FACTS).is_file():
            with suppress(OSError):
                os.utime(place)
                kept = _read(place)
                if kept.path.is_file():  # the quota may have deleted it
                    return kept
        found = model.segment(image)
        with self._lock:  # another event of a page may have asked for the same
            self._write(place, found, model.predictor.classes, f"{image.stem[:80]}_label_map.png")
            self._delete_old()
            return _read(place)

    def _write(self, place: Path, found: Segmentation, classes: ClassTable, name: str) -> None:
        place.mkdir(parents=True, exist_ok=True)
        with whole_file(place / name) as partial:
            write_label_map(
                partial, found.label_map, palette=classes.palette, ignore_index=classes.ignore_index
            )
        areas = [asdict(area) for area in class_areas(found, classes)]
        facts = {"path": name, "areas": areas, "confidence": found.mean_confidence}
        write_whole(place / FACTS, json.dumps(facts))

    def _delete_old(self) -> None:
        """Delete what is older than an hour, and the oldest beyond the number that is kept; never the newest."""
        places = sorted(self._folder.iterdir(), key=lambda one: one.stat().st_mtime)
        for index, place in enumerate(places[:-1]):
            if len(places) - index > KEPT or time.time() - place.stat().st_mtime > KEPT_S:
                shutil.rmtree(place, ignore_errors=True)


def _read(place: Path) -> Result:
    facts = json.loads((place / FACTS).read_text(encoding="utf-8"))
    areas = tuple(ClassArea(**area) for area in facts["areas"])
    return Result(place / facts["path"], areas, facts["confidence"])
