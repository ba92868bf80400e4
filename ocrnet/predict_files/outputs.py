"""The folder of the outputs.

| file | what |
|---|---|
| `label_maps/NAME.png` | class ids; the palette shows them in the colours of the classes |
| `overlays/NAME.png` | the image, half covered by the colours of the classes, or of its objects |
| `probabilities/NAME.npz` | `probabilities`, (K, H, W) float32 in [0, 1], and `class_names` |
| `objects/NAME.json` | the objects of the image: class, score, box, area, run lengths |
| `objects.csv`, `counts.csv` | an object per row; an image per row with the numbers and areas of its objects |
| `areas.csv` | an image per row: its path, its label map, height, width, and `px_NAME` per class |
| `coco.json` | all label maps as one COCO file |
| `predict.json`, `done.jsonl` | model and options, and what is done |
"""

import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ocrnet.config.base import PILLOW_PIXELS
from ocrnet.data.csv_tables import write_csv_table
from ocrnet.data.files import whole_file, write_whole
from ocrnet.data.manifest import ClassTable
from ocrnet.errors import ParamsError
from ocrnet.predict_files.bands import Band
from ocrnet.predict_files.coco import CocoImage, write_coco
from ocrnet.predict_files.journal import DONE_FILE, SETTINGS_FILE, Done, Journal, check_settings
from ocrnet.predict_files.objects import (
    FoundObject,
    count_table,
    object_table,
    read_objects,
    to_json,
)
from ocrnet.predict_files.png_rows import PngRows, png_rows

LABEL_MAPS, OVERLAYS, PROBABILITIES = "label_maps", "overlays", "probabilities"
OBJECTS = "objects"
Paint = Callable[[Band], npt.NDArray[np.uint8]]
ENDINGS = {PROBABILITIES: ".npz", OBJECTS: ".json"}
AREAS_FILE, COCO_FILE = "areas.csv", "coco.json"
OBJECTS_FILE, COUNTS_FILE = "objects.csv", "counts.csv"
OURS = (
    LABEL_MAPS, OVERLAYS, PROBABILITIES, OBJECTS, AREAS_FILE, OBJECTS_FILE, COUNTS_FILE, COCO_FILE,
    DONE_FILE,
)  # fmt: skip


class Outputs:
    """The folder of the outputs of one model with one set of options.

    Args:
        folder: Folder, made if it is missing.
        classes: Class table of the model.
        settings: What label maps depend on: weights, classes, decoding, protocol.
        force: Whether outputs of other settings are deleted, and all images are predicted again.

    Attributes:
        folder: Folder of the outputs.
        journal: Images that are done.

    Raises:
        ParamsError: The folder has outputs of other settings, or files of these names from elsewhere; or it is a file.
        DataError: The record is damaged.
    """

    def __init__(
        self, folder: Path, classes: ClassTable, settings: Mapping[str, Any], *, force: bool = False
    ) -> None:
        self.folder = folder
        self._classes = classes
        require_folder(folder)
        known = (folder / SETTINGS_FILE).exists()
        strange = [name for name in OURS if (folder / name).exists()]
        if strange and not known:
            raise ParamsError(
                f"{folder / strange[0]}: exists, but not from this command: {SETTINGS_FILE} is missing. Choose another "
                "folder."
            )
        if force and known:
            _delete(folder)
        if not check_settings(folder, settings):
            write_whole(folder / SETTINGS_FILE, json.dumps(settings, indent=1) + "\n")
        self.journal = Journal(folder)

    def path(self, kind: str, name: str) -> Path:
        """Return the path of an output: a label map, an overlay, probabilities or objects."""
        return self.folder / kind / f"{name}{ENDINGS.get(kind, '.png')}"

    def has(self, name: str, kinds: Iterable[str]) -> bool:
        """Return whether the label map of an image and the outputs of these kinds are there."""
        return all(self.path(kind, name).is_file() for kind in (LABEL_MAPS, *kinds))

    def delete_stale(self, item: Done) -> None:
        """Delete what is beside the label map of an image if its file has changed since it was written."""
        if self.journal.find(item.source, item.frame, item.stamp) is None:
            for kind in (OVERLAYS, PROBABILITIES, OBJECTS):
                self.path(kind, item.name).unlink(missing_ok=True)

    def write_bands(
        self, name: str, size: tuple[int, int], bands: Iterable[Band], *, paint: Paint | None
    ) -> tuple[int, ...]:
        """Write label map and overlay from top to bottom, and return the number of pixels of each class.

        Args:
            name: Name of the image.
            size: Height and width, in pixels.
            bands: Parts of the image with their label maps.
            paint: Function that returns the overlay of a band; None: no overlay is written.
        """
        counts = np.zeros(256, dtype=np.int64)
        target = self.path(LABEL_MAPS, name)
        if paint is None:
            with png_rows(target, size, classes=self._classes) as labels:
                for band in bands:
                    counts += _write_labels(labels, band)
        else:
            with (
                png_rows(self.path(OVERLAYS, name), size) as pictures,
                png_rows(target, size, classes=self._classes) as labels,
            ):
                for band in bands:
                    counts += _write_labels(labels, band)
                    pictures.write(paint(band))
        return tuple(counts[: self._classes.num_classes].tolist())

    def write_probabilities(self, name: str, values: npt.NDArray[np.float32]) -> None:
        """Write the probabilities (K, H, W) of an image."""
        with whole_file(self.path(PROBABILITIES, name)) as partial, partial.open("wb") as file:
            np.savez_compressed(
                file, probabilities=values, class_names=np.array(self._classes.class_names)
            )

    def write_objects(self, name: str, found: Sequence[FoundObject]) -> None:
        """Write the objects of an image."""
        path = self.path(OBJECTS, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, to_json(found))

    def write_object_tables(self, things: Sequence[str]) -> None:
        """Write the objects of all images that have them, and their numbers and areas, as tables.

        Args:
            things: Names of the classes whose objects are told apart.

        Raises:
            DataError: The objects of an image cannot be read.
        """
        rows = [
            (path_text(item.image), read_objects(self.path(OBJECTS, item.name)))
            for item in self._present()
            if self.has(item.name, [OBJECTS])
        ]
        for name, table in (
            (OBJECTS_FILE, object_table(rows)), (COUNTS_FILE, count_table(rows, things)),
        ):  # fmt: skip
            with whole_file(self.folder / name) as partial:
                write_csv_table(partial, table)

    def write_areas(self) -> None:
        """Write the areas of all label maps in the folder."""
        columns = [f"px_{name}" for name in self._classes.class_names]
        rows = [
            {
                "image": path_text(item.image), "label_map": path_text(f"{LABEL_MAPS}/{item.name}.png"),
                "height": item.height, "width": item.width, **dict(zip(columns, item.pixels, strict=True)),
            }
            for item in self._present()
        ]  # fmt: skip
        with whole_file(self.folder / AREAS_FILE) as partial:
            names = ["image", "label_map", "height", "width", *columns]
            write_csv_table(partial, pd.DataFrame(rows, columns=names))

    def write_coco(self, things: Sequence[str] = ()) -> list[Done]:
        """Write the COCO file of all label maps in the folder, and return those that are too large for it.

        Args:
            things: Names of the classes that have an annotation for each object, in images whose objects are known.

        Raises:
            DataError: A label map cannot be read.
        """
        present = self._present()
        large = [item for item in present if item.height * item.width > PILLOW_PIXELS]
        images = [
            CocoImage(
                path_text(item.image),
                (item.height, item.width),
                self.path(LABEL_MAPS, item.name),
                self.path(OBJECTS, item.name)
                if things and self.has(item.name, [OBJECTS])
                else None,
            )
            for item in present
            if item not in large
        ]
        write_coco(self.folder / COCO_FILE, images, self._classes, things)
        return large

    def _present(self) -> list[Done]:
        """Return the images that are done and whose label maps were not deleted."""
        return [item for item in self.journal if self.has(item.name, ())]


def require_folder(folder: Path) -> None:
    """Check that a folder is there or can be made.

    Raises:
        ParamsError: It is a file, or it is below one.
    """
    if file := next((one for one in (folder, *folder.parents) if one.is_file()), None):
        raise ParamsError(f"{file}: is a file. Choose a folder for the outputs.")


def blend(band: Band, colours: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the mean of an image and the colours of its classes, rounded down."""
    both = band.image.astype(np.uint16) + colours[band.label_map]
    mean: npt.NDArray[np.uint8] = (both // 2).astype(np.uint8)
    return mean


def path_text(path: str) -> str:
    """Return a path that may be no UTF-8 as text for a file."""
    return path.encode(errors="backslashreplace").decode()


def _write_labels(labels: PngRows, band: Band) -> npt.NDArray[np.int64]:
    labels.write(band.label_map)
    return np.bincount(band.label_map.ravel(), minlength=256)


def _delete(folder: Path) -> None:
    """Delete what earlier runs wrote; `predict.json` is last, so that a kill leaves a folder that is known."""
    for name in OURS:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    (folder / SETTINGS_FILE).unlink(missing_ok=True)
