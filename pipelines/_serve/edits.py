"""Edits of an image by its label map: pairs as files, step by step, so that each step can be undone."""

import shutil
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ocrnet.data.decode import read_image, read_label_map, write_image, write_label_map
from ocrnet.data.manifest import MANIFEST_FILE, ClassTable, read_manifest
from ocrnet.errors import DataError
from ocrnet.gan.editing.repaint import repaint
from ocrnet.gan.generator.painter import Painter, load_painter
from pipelines._serve.models import BusyError, ServedModel
from pipelines._serve.strokes import painted

EDIT_PIXELS = 4_000_000  # of an image: the GAN paints the whole of it
KEPT_S = 3600.0
WAITING = 4  # edits that are painted or wait

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Pair:
    """An image with its label map, as files.

    Args:
        folder: Folder of both.
        name: Beginning of the names of both files.
    """

    folder: Path
    name: str

    @property
    def image_path(self) -> Path:
        """File of the image."""
        return self.folder / f"{self.name}.png"

    @property
    def label_map_path(self) -> Path:
        """File of the label map, a palette PNG."""
        return self.folder / f"{self.name}_label_map.png"

    @property
    def image(self) -> Pixels:
        """The image (H, W, 3)."""
        return read_image(self.image_path)

    @property
    def label_map(self) -> Pixels:
        """The class ids (H, W)."""
        return read_label_map(self.label_map_path)


class Edits:
    """Edits by a GAN.

    Args:
        painter: GAN.
        models: Models; the first one that was trained on the classes of the GAN predicts label maps.
        prepared: Prepared set, whose test images may be edited; it may be missing.
        folder: Folder for the pairs.
    """

    def __init__(
        self, painter: Painter, models: Sequence[ServedModel], prepared: Path, folder: Path
    ) -> None:
        self.classes = painter.class_table
        names = self.classes.class_names
        self.model = next(
            (one for one in models if one.predictor.classes.class_names == names), None
        )
        self._painter = painter
        self._prepared = prepared
        self._folder = folder
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(WAITING)

    def test_ids(self) -> list[str]:
        """Return the ids of the test images of the prepared set; none if it is missing or has other classes."""
        if not (self._prepared / MANIFEST_FILE).is_file():
            return []
        if ClassTable.read(self._prepared).class_names != self.classes.class_names:
            return []
        return [str(name) for name in read_manifest(self._prepared, split="test")["id"]]

    def start_with_test_image(self, name: str) -> Pair:
        """Return a test image with its label map.

        Raises:
            DataError: The prepared set has no such test image.
        """
        table = read_manifest(self._prepared, split="test").set_index("id")
        if name not in table.index:
            raise DataError(f"{name}: no test image has this id.")
        row = table.loc[name]
        image = read_image(self._prepared / str(row["image"]))
        label_map = read_label_map(self._prepared / str(row["label_map"]))
        return self._write(name, image, label_map)

    def start_with_file(self, path: Path) -> Pair:
        """Return an uploaded image with its predicted label map.

        Raises:
            BusyError: The queue of the model is full.
            DataError: The image cannot be decoded or is too large, or no model has the classes of the GAN.
        """
        if self.model is None:
            raise DataError(
                "no model has the classes of the GAN. Start the server with one that has."
            )
        found = self.model.segment(path)
        return self._write(path.stem[:80], self.model.predictor.read(path), found.label_map)

    def repaint(self, pair: Pair, edited: Pixels, *, seed: int) -> Pair:
        """Return the pair after an edit.

        Args:
            pair: Pair before it.
            edited: Class ids (H, W) after it.
            seed: Random seed of the generated image.

        Raises:
            BusyError: Too many edits wait.
            DataError: Nothing was edited.
        """
        if not self._places.acquire(blocking=False):
            raise BusyError("the GAN", WAITING, 5)
        try:
            with self._lock:
                image = repaint(
                    pair.image, pair.label_map, edited, painter=self._painter,
                    ignore_index=self.classes.ignore_index, seed=seed,
                )  # fmt: skip
        finally:
            self._places.release()
        # Ignored pixels of the edited label map keep their class, as the image keeps them.
        return self._write(pair.name, image, edited)

    def stroke(self, pair: Pair, strokes: Pixels | None) -> Pixels:
        """Return the label map of a pair under strokes of the brush."""
        return pair.label_map if strokes is None else painted(pair.label_map, strokes, self.classes)

    def _write(self, name: str, image: Pixels, label_map: Pixels) -> Pair:
        height, width = label_map.shape
        if height * width > EDIT_PIXELS:
            raise DataError(
                f"{name}: {width} x {height} pixels, the editor takes {EDIT_PIXELS}. Cut or shrink the image."
            )
        self._delete_old()
        pair = Pair(self._folder / uuid.uuid4().hex, name)
        pair.folder.mkdir(parents=True)
        write_image(pair.image_path, image)
        table = self.classes
        write_label_map(
            pair.label_map_path, label_map, palette=table.palette, ignore_index=table.ignore_index
        )
        return pair

    def _delete_old(self) -> None:
        if not self._folder.is_dir():
            return
        for place in self._folder.iterdir():
            if time.time() - place.stat().st_mtime > KEPT_S:
                shutil.rmtree(place, ignore_errors=True)


def load_edits(gan: Path, models: Sequence[ServedModel], data: Path, folder: Path) -> Edits:
    """Load a GAN for the editor.

    Args:
        gan: Folder of the trained GAN.
        models: Models of the server.
        data: Folder of the outputs of the stages, whose `prepare` may hold test images.
        folder: Folder of the files of the server.

    Raises:
        BundleError: The GAN is missing, damaged or of another schema.
        DataError: Neither a model nor the prepared set has its classes, so nothing could be edited.
    """
    edits = Edits(load_painter(gan), models, data / "prepare", folder / "edits")
    if edits.model is None and not edits.test_ids():
        raise DataError(
            f"{gan}: neither a --model nor {data / 'prepare'} has the classes {list(edits.classes.class_names)} of the "
            "GAN, so no label map could be edited. Give a --model or --data of its training."
        )
    return edits
